"""What each command of `yolo-dropout` does once its words are parsed."""

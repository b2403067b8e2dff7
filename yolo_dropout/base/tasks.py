"""Tasks of Ultralytics by what a model of them says of an image."""

BOXES = ("detect", "segment", "pose", "obb")
BOXES_OR_CLASS = (*BOXES, "classify")

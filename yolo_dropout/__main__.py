"""`python -m yolo_dropout`: the command line."""

import sys

from yolo_dropout.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""Sweep dropout rates and seeds: `python scripts/sweep.py [key=value ...] [--options]`.

The same as `yolo-dropout sweep`. Without arguments it runs the embedded study: no network, a few minutes.
"""

import sys

from yolo_dropout.cli import main

if __name__ == "__main__":
    sys.exit(main(["sweep", *sys.argv[1:]]))

"""Does a model hold where it will be used: metrics and validation losses on corrupted validation images.

Importing it imports neither torch nor the library of corruptions.
"""

from __future__ import annotations

from yolo_dropout.shift.measuring import measure_shift

__all__ = ["measure_shift"]

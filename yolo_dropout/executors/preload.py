"""Imported once by the fork server, so that every run starts with all of this already in memory.

Measured: a fresh training process then starts in milliseconds instead of about four seconds.
"""

# ruff: noqa: F401, I001 - Ultralytics must come first: it sets OMP_NUM_THREADS, which torch reads when it is imported.
import ultralytics.models.rtdetr
import ultralytics.models.yolo

import gc
from collections import defaultdict
from contextlib import suppress

import matplotlib.font_manager
import PIL.JpegImagePlugin
import PIL.PngImagePlugin
import polars
import torch._inductor
import torchvision
from ultralytics.utils.callbacks import add_integration_callbacks

import yolo_dropout.executors.worker
import yolo_dropout.training.trainer


class _NoTrainer:
    """Looks like a trainer to Ultralytics, which goes by the name of the class."""

    def __init__(self) -> None:
        self.callbacks = defaultdict[str, list[object]](list)


# A trainer looks for MLflow, Ray Tune and other trackers as it starts: importing those that are there takes seconds.
# One that is broken is for the training to tell.
with suppress(Exception):
    add_integration_callbacks(_NoTrainer())
# All that is loaded stays: a run's own garbage collections, a quarter of a second each, need not look at it again.
gc.collect()
gc.freeze()

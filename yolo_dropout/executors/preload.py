"""Imported once by the fork server, so that every run starts with all of this already in memory.

Measured: a fresh training process then starts in milliseconds instead of about four seconds. Trackers are left to the
runs: importing Ray Tune draws from `random`, and a run must draw what a training of stock Ultralytics draws.
"""

# ruff: noqa: F401, I001 - Ultralytics must come first: it sets OMP_NUM_THREADS, which torch reads when it is imported.
import ultralytics.models.rtdetr
import ultralytics.models.yolo

import gc

import matplotlib.font_manager
import PIL.JpegImagePlugin
import PIL.PngImagePlugin
import polars
import torch._inductor
import torchvision

import yolo_dropout.executors.worker
import yolo_dropout.training.trainer

# All that is loaded stays: a run's own garbage collections, a quarter of a second each, need not look at it again.
gc.collect()
gc.freeze()

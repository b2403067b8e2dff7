"""Imported once by the fork server, so that every run starts with all of this already in memory.

Measured: a fresh training process then starts in milliseconds instead of about four seconds. What is imported here must
draw no random number: a run must draw what a training of stock Ultralytics draws.
"""

# ruff: noqa: E402, F401, I001 - Ultralytics comes first: it sets OMP_NUM_THREADS, which torch reads as it is imported.
import gc

gc.disable()  # what an import makes stays, and to search it for garbage again and again takes a quarter of the time

import ultralytics.models.rtdetr
import ultralytics.models.yolo

import atexit
import contextlib
import os
import sys

import matplotlib.font_manager
import PIL.JpegImagePlugin
import PIL.PngImagePlugin
import polars
import torch._inductor
import torchvision
from ultralytics.utils import SETTINGS

import yolo_dropout.executors.ultralytics_trainer
import yolo_dropout.executors.worker
import yolo_dropout.training.trainer

if SETTINGS["raytune"]:
    # Where Ray Tune is installed every training imports it. What it builds on takes most of that second; Ray Tune
    # itself draws from `random` as it is imported, and so is left to the runs, as all trackers are.
    with contextlib.suppress(Exception):  # whatever is wrong with it, a run that needs it will tell
        import ray.train

# Nor need a run's own searches for garbage look at it: that would be a quarter of a second each.
gc.freeze()
gc.enable()

if "multiprocessing.forkserver" in " ".join(sys.orig_argv):
    # It has nothing to tidy up, and whoever reads a sweep's output through a pipe waits for it too: half a second.
    atexit.register(os._exit, 0)

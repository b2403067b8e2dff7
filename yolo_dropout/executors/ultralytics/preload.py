"""Imported once by the fork server, so that every run starts with all of this already in memory.

Measured: a fresh training process then starts in milliseconds instead of about four seconds. What is imported here must
draw no random number: a run must draw what a training of stock Ultralytics draws.
"""

# ruff: noqa: E402, F401, I001 - Ultralytics comes first: it sets OMP_NUM_THREADS, which torch reads as it is imported.
import contextlib
import gc
import os
import sys

_IN_SERVER = "multiprocessing.forkserver" in " ".join(sys.orig_argv)
if _IN_SERVER:
    with contextlib.suppress(ValueError):
        sys.path.remove("")  # the working directory, which Python 3.10 puts first whatever it is told
    _terminal = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # OpenMP and matplotlib tell there what they think of their settings

gc.disable()  # what an import makes stays, and to search it for garbage again and again takes a quarter of the time

import ultralytics.models.rtdetr
import ultralytics.models.yolo

import atexit
from importlib import import_module

import matplotlib.font_manager
import PIL.JpegImagePlugin
import PIL.PngImagePlugin
import polars
import torch._inductor
import torchvision
from ultralytics.utils import SETTINGS

import yolo_dropout.executors.local.worker
import yolo_dropout.executors.ultralytics.backend
import yolo_dropout.training.trainer

# Every training imports the trackers that are installed and not switched off; MLflow takes more than a second. Ray Tune
# draws from `random` as it is imported, through what it prints with, and so is left to the runs; what it builds on
# draws nothing and takes most of its time.
for setting, module in {"mlflow": "mlflow", "raytune": "ray.train"}.items():
    if SETTINGS[setting]:
        with contextlib.suppress(Exception):  # whatever is wrong with it, a run that needs it will tell
            import_module(module)

# Nor need a run's own searches for garbage look at it: that would be a quarter of a second each.
gc.freeze()
gc.enable()

if _IN_SERVER:
    os.dup2(_terminal, 2)
    # It has nothing to tidy up, and whoever reads a sweep's output through a pipe waits for it too: half a second.
    atexit.register(os._exit, 0)

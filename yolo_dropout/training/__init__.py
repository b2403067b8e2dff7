"""Train an Ultralytics model with dropout that acts.

The only package that uses Ultralytics' training, and only inside functions: importing it does not import torch.
"""

from __future__ import annotations

from yolo_dropout.training.api import TrainedRun, train_lean, train_with_dropout
from yolo_dropout.training.checking import check_model
from yolo_dropout.training.data import Prepared
from yolo_dropout.training.preparation import prepare

__all__ = ["Prepared", "TrainedRun", "check_model", "prepare", "train_lean", "train_with_dropout"]

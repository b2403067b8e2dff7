"""What trains on a node of a Ray cluster, in a file that imports little: every slot and every run there imports it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import fakes

from yolo_dropout.errors import InputError
from yolo_dropout.training.inputs import InputFiles


def die(job, on_epoch):
    os.kill(os.getpid(), signal.SIGKILL)


def shipped(spec, root):
    return {
        "data": InputFiles("set.txt", {"set.txt": root / "set.txt"}),
        "model": InputFiles("m.pt", {"m.pt": b"weights"}),
    }


def train_on_what_was_shipped(job, on_epoch):
    assert Path(job.spec.data).read_text() == "images"
    assert Path(job.spec.model).read_text() == "weights"
    (job.path / "place").write_text(job.spec.data)
    return fakes.train(job, on_epoch)


def fold_data(spec):
    return {"data": InputFiles("data.yaml", {"data.yaml": Path(spec.data)})}


def train_and_tell_the_data(job, on_epoch):
    (job.path / "data").write_text(Path(job.data).read_text())
    return fakes.train(job, on_epoch)


def refuse(spec):
    raise InputError("data: no")

"""Files that are broken in the ways in which people's files are broken; each function makes one and returns it."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from tiny_data import make_data

from yolo_dropout.spec.embedded import embedded_path


def text(root: Path, name: str, content: str) -> Path:
    """A text file."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def binary(root: Path, name: str, content: bytes) -> Path:
    """A file of bytes."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def half_checkpoint(root: Path) -> Path:
    """A `.pt` whose download or copy broke off."""
    content = embedded_path("starter.pt").read_bytes()
    return binary(root, "half.pt", content[: len(content) // 2])


def foreign_pickle(root: Path) -> Path:
    """A `.pt` that holds something else than a model."""
    torch.save({"weights": [1, 2]}, root / "weights.pt")
    return root / "weights.pt"


def bare_pickle(root: Path) -> Path:
    """A pickle that torch has not written."""
    return binary(root, "model.pt", pickle.dumps([1, 2]))


def data(root: Path, task: str = "detect", change: Callable[[Path], object] = lambda _root: None) -> Path:
    """A tiny data set, changed before anybody has read it."""
    made = make_data(task, root / "data")
    change(root / "data")
    return made


def label(content: str | bytes) -> Callable[[Path], object]:
    """Every label file holds this."""
    lines = content if isinstance(content, bytes) else content.encode()
    return lambda root: [file.write_bytes(lines) for file in root.glob("labels/*/*.txt")]


def image(content: bytes) -> Callable[[Path], object]:
    """Every image holds this."""
    return lambda root: [file.write_bytes(content) for file in root.rglob("*.png")]


def half_images(root: Path) -> None:
    """Every image is cut off."""
    for file in root.rglob("*.png"):
        file.write_bytes(file.read_bytes()[:200])


def tiny_images(root: Path) -> None:
    """Every image has four pixels a side."""
    for file in root.rglob("*.png"):
        cv2.imwrite(str(file), np.zeros((4, 4, 3), dtype=np.uint8))


def removed(pattern: str) -> Callable[[Path], object]:
    """What matches is gone."""

    def change(root: Path) -> None:
        for path in list(root.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def rewritten(old: str, new: str) -> Callable[[Path], object]:
    """`data.yaml` with some text replaced."""

    def change(root: Path) -> None:
        file = root / "data.yaml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    return change


def foreign_run(root: Path, results: str | bytes, arguments: str = "dropout: 0.0\nseed: 0\n") -> Path:
    """A run folder of plain Ultralytics."""
    text(root, "train/args.yaml", arguments)
    content = results if isinstance(results, bytes) else results.encode()
    return binary(root, "train/results.csv", content).parent

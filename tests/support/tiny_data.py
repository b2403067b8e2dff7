"""Tiny data sets for every task, drawn with numpy: bright squares on a dark, noisy ground; and tiny models."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

NET, CLS = (Path(__file__).with_name(name) for name in ("net.yaml", "net-cls.yaml"))
SIDE = 64
CLASSES = ("red", "green")
N_TRAIN, N_VAL = 4, 2


def make_data(task: str, root: Path) -> Path:
    """Draw a data set with two classes.

    Args:
        task: One of Ultralytics' tasks.
        root: Folder to write to; made where it is missing.

    Returns:
        What `data=` takes: a YAML file, or the folder for classification.
    """
    rng = np.random.default_rng(0)
    for split, count in (("train", N_TRAIN), ("val", N_VAL)):
        for i in range(count):
            _write_example(task, root, split, i, rng)
    return root if task == "classify" else _write_yaml(task, root)


def _write_example(task: str, root: Path, split: str, i: int, rng: np.random.Generator) -> None:
    label, left, top, size = i % len(CLASSES), *rng.integers(4, 24, 2), rng.integers(24, 32)
    image = rng.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
    image[top : top + size, left : left + size, 2 - label] = 230
    folder = root / split / CLASSES[label] if task == "classify" else root / "images" / split
    _write_png(folder / f"{i}.png", image)
    box = np.array([left, top, left + size, top + size], dtype=float)
    if task == "depth":
        depth = np.full((SIDE, SIDE), 4.0, dtype=np.float32)
        depth[top : top + size, left : left + size] = 2.0
        (root / "depth" / split).mkdir(parents=True, exist_ok=True)
        np.save(root / "depth" / split / f"{i}.npy", depth)
    elif task == "semantic":
        mask = np.full((SIDE, SIDE), 255, dtype=np.uint8)
        mask[top : top + size, left : left + size] = label
        _write_png(root / "masks" / split / f"{i}.png", mask)
    elif task != "classify":
        _write_label(root / "labels" / split / f"{i}.txt", label, _coordinates(task, box / SIDE))


def _coordinates(task: str, box: np.ndarray) -> np.ndarray:
    left, top, right, bottom = box
    corners = np.array([left, top, right, top, right, bottom, left, bottom])
    centred = np.array([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
    if task in ("segment", "obb"):
        return corners
    if task == "pose":
        return np.concatenate([centred, [left, top, 2, right, bottom, 2]])
    return centred


def _write_label(file: Path, label: int, values: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(" ".join([str(label), *(f"{v:.5f}" for v in values)]) + "\n")


def _write_png(file: Path, image: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), image)


def _write_yaml(task: str, root: Path) -> Path:
    lines = ["train: images/train", "val: images/val", "names:", *(f"  {i}: {n}" for i, n in enumerate(CLASSES))]
    lines += {"pose": ["kpt_shape: [2, 3]"], "semantic": ["masks_dir: masks"]}.get(task, [])
    file = root / "data.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file

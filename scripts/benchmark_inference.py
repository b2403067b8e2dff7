"""What dropout at inference costs: plain passes, the closed form and 20 samples side by side.

They take turns, image by image, on one thread; CPU time counts, so that others on the machine disturb little. The
networks are untrained, and `conf` is such that about 50 boxes come out, more than most images have.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from ultralytics import YOLO

from yolo_dropout import predict_with_dropout

BOXES = 50
WAYS: dict[str, dict[str, Any] | None] = {"plain": None, "closed form": {}, "20 samples": {"samples": 20}}


def benchmark(names: tuple[str, ...] = ("yolo26n", "yolo11n"), imgsz: int = 640, images: int = 40) -> None:
    """Print a table; the ratios are medians over images of the time of a way over the plain pass before it."""
    print(f"{imgsz} px, batch 1, {torch.get_num_threads()} CPU thread, medians of {images} images, CPU time")
    print("| model | way | ms an image | against plain |\n| --- | --- | --- | --- |")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            taken = _turns(_alive(YOLO(f"{name}.yaml")), Path(folder), imgsz, images)
        plain = taken["plain"]
        for way, seconds in taken.items():
            ratio = statistics.median(mine / its for mine, its in zip(seconds, plain, strict=True))
            print(f"| {name} | {way} | {statistics.median(seconds) * 1000:.1f} | {ratio:.3f} |", flush=True)


def _alive(yolo: Any) -> Any:
    """Without weights of a training: where BatchNorm does not know its inputs, they vanish on the way to the head."""
    for module in yolo.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        yolo.model.train()(torch.rand(2, 3, 128, 128))
    return yolo


def _turns(yolo: Any, folder: Path, imgsz: int, images: int) -> dict[str, list[float]]:
    rng = np.random.default_rng(0)
    for i in range(images + 3):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 255, (imgsz * 3 // 4, imgsz, 3), dtype=np.uint8))
    args: dict[str, Any] = {"imgsz": imgsz, "max_det": 300, "verbose": False, "stream": True}
    first = next(yolo.predict(folder, **{**args, "conf": 0.0, "max_det": BOXES}))
    args["conf"] = float(first.boxes.conf.min())
    streams: dict[str, Any] = {
        way: yolo.predict(folder, **args) if asked is None else predict_with_dropout(yolo, folder, **args, **asked)
        for way, asked in WAYS.items()
    }
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for i in range(images + 3):
        for way, stream in streams.items():
            start = time.process_time()
            next(stream)
            if i >= 3:  # the first ones warm up
                taken[way].append(time.process_time() - start)
    return taken

"""What dropout at inference is worth on digits: the tables of docs/uncertainty.md.

    python scripts/inference_table.py runs/dropout/two-seeds/runs/p0.00-s*/weights/best.pt

Measures checkpoints of the embedded detection study on all 822 digits of its validation writers, on 137 images that are
drawn as those of the embedded set; those of the classification study on its 200 validation images. Means over
checkpoints; each has its own scaling, fitted to half of the images. Needs scikit-learn.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import build_datasets
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from ultralytics import YOLO

from yolo_dropout import predict_with_dropout
from yolo_dropout.inference.calibration import LOWEST_SCORE, Truth, boxes_of, measure, measure_classes
from yolo_dropout.shift.images import truths_of
from yolo_dropout.training.preparation import check_args

LOWEST = (0.05, LOWEST_SCORE)
NAMES = {None: "closed form", 20: "20 samples"}
IMAGES = 137
CLASSIFY = Path(build_datasets.__file__).resolve().parents[1] / "datasets" / "digits-classify"


def main(checkpoints: list[str]) -> int:
    if YOLO(checkpoints[0]).task == "classify":
        tables = pd.concat(map(table_of_classes, checkpoints))
        print(f"classifier, {len(checkpoints)} checkpoints\n")
        print(tables.groupby("scores", sort=False).mean().to_string(float_format="{:.4f}".format))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        truths = images(Path(folder))
        for branch, nms in (("NMS", True), ("one-to-one", False)):
            found = [{s: predictions(path, folder, nms, s) for s in (None, 20)} for path in checkpoints]
            for conf in LOWEST:
                print(f"\n{branch} branch, boxes from score {conf} on, {len(checkpoints)} checkpoints\n")
                tables = pd.concat([table(results, truths, conf, not nms) for results in found])
                print(tables.groupby("scores", sort=False).mean().to_string(float_format="{:.4f}".format))
                ranks = pd.DataFrame([ranking(boxes_of(results[None], truths), conf) for results in found])
                print("AUROC of right boxes against wrong ones:", ranks.mean().round(4).to_dict(), flush=True)
    return 0


def table_of_classes(checkpoint: str) -> pd.DataFrame:
    truths = truths_of(YOLO(checkpoint), str(CLASSIFY), check_args({}))
    parts = []
    for samples, name in NAMES.items():
        images = str(CLASSIFY / "val" / "**" / "*.*")
        found = predict_with_dropout(checkpoint, images, samples=samples, verbose=False, stream=True)
        parts.append(measure_classes(found, truths, f"dropout, {name}").table)
    return pd.concat(parts).drop_duplicates("scores")


def table(found: dict[int | None, list[Any]], truths: dict[str, Truth], conf: float, end2end: bool) -> pd.DataFrame:
    parts = [measure(results, truths, conf, f"dropout, {NAMES[s]}", end2end).table for s, results in found.items()]
    return pd.concat(parts).drop_duplicates("scores")


def predictions(checkpoint: str, folder: str, nms: bool, samples: int | None) -> list[Any]:
    args: dict[str, Any] = {"imgsz": 128, "conf": LOWEST_SCORE, "nms": nms, "verbose": False, "stream": True}
    return list(predict_with_dropout(YOLO(checkpoint), folder, samples=samples, **args))


def images(folder: Path) -> dict[str, Truth]:
    """Draw the images into a folder, and tell what they hold."""
    build_datasets.CANVASES = {"val": IMAGES}
    files = build_datasets.detection_files(build_datasets.digits(), "val", np.random.default_rng([0, 1, 2]))
    truths = {}
    for name, content in files:
        path = folder / Path(name).name
        if path.suffix == ".png":
            path.write_bytes(content)
        elif path.suffix == ".txt":
            rows = np.array([line.split() for line in content.decode().splitlines()], dtype=float)
            centre, size = rows[:, 1:3], rows[:, 3:5]
            truths[str(path.with_suffix(".png"))] = Truth(rows[:, 0], np.hstack([centre - size / 2, centre + size / 2]))
    return truths


def ranking(boxes: pd.DataFrame, conf: float) -> dict[str, float]:
    """How well numbers tell right boxes from wrong ones; 0.5 is chance."""
    shown = boxes[boxes.plain >= conf]
    numbers = {"score": shown.plain, "mean under dropout": shown.dropout, "low information": -shown.mutual_info}
    return {name: roc_auc_score(shown.iou0, values) for name, values in numbers.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

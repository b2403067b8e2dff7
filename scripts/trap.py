"""The trap, shown in half a minute: outside classification Ultralytics ignores `dropout=`, and says nothing.

    python scripts/trap.py

Trains the embedded detector for two epochs, three times with one seed: stock with dropout 0.0 and 0.5, ours with 0.5.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ultralytics import YOLO
from ultralytics.utils import LOGGER

from yolo_dropout import train_with_dropout
from yolo_dropout.folder.study_file import read_config
from yolo_dropout.spec.embedded import embedded_path

EPOCHS = 2


def stock(model: str, **arguments: Any) -> None:
    YOLO(model).train(**arguments)


def curves(train: Callable[..., Any], dropout: float, folder: Path) -> list[dict[str, str]]:
    """The rows of `results.csv`, but for the time that they took."""
    study = read_config(embedded_path("digits-detect/study.yaml"))
    train(
        study["model"],
        data=study["data"],
        dropout=dropout,
        save_dir=str(folder),
        **{**study["train"], "epochs": EPOCHS, "plots": False, "verbose": False, "seed": 0},
    )
    with (folder / "results.csv").open() as stream:
        return [{name: value for name, value in row.items() if name != "time"} for row in csv.DictReader(stream)]


def main() -> int:
    LOGGER.setLevel("ERROR")
    ways: dict[str, tuple[Callable[..., Any], float]] = {
        "stock, dropout=0.0": (stock, 0.0),
        "stock, dropout=0.5": (stock, 0.5),
        "ours,  dropout=0.5": (train_with_dropout, 0.5),
    }
    with TemporaryDirectory() as scratch:
        found = {name: curves(*way, Path(scratch) / str(place)) for place, (name, way) in enumerate(ways.items())}
    first = next(iter(found.values()))
    for name, rows in found.items():
        same = "" if rows is first else "; every number as in the first" if rows == first else "; other numbers"
        print(f"{name}: val/cls_loss {rows[-1]['val/cls_loss']} after {EPOCHS} epochs{same}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

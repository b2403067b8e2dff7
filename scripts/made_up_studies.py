"""Finished studies as real runs leave them, made up in a moment: for `scale.py`."""

from __future__ import annotations

import numpy as np

from yolo_dropout.base.text import rate_text
from yolo_dropout.executors import Found
from yolo_dropout.folder.layout import RunFolder, StudyFolder
from yolo_dropout.folder.records import RunRecord, write_record
from yolo_dropout.folder.study_file import write_study_file
from yolo_dropout.spec.runs import plan
from yolo_dropout.spec.study_spec import StudySpec

EPOCHS, RATES = 100, (0.0, 0.1, 0.2, 0.3, 0.5)
COLUMNS = (
    "epoch,time,train/box_loss,train/cls_loss,train/l1_loss,metrics/precision(B),metrics/recall(B),metrics/mAP50(B),"
    "metrics/mAP50-95(B),val/box_loss,val/cls_loss,val/l1_loss,lr/pg0,lr/pg1,lr/pg2"
)
SITES = tuple(f"model.23.{branch}.{level}.{depth}" for branch in ("cv2", "cv3") for level in range(3) for depth in "01")


def inspect(_spec: StudySpec) -> Found:
    """Find nothing wrong."""
    return Found(task="detect", n_train=64, n_val=200, parameters=2_500_000, sites=SITES)


def results_text(seed: int, rate: float, epochs: int = EPOCHS) -> str:
    """A `results.csv` as Ultralytics prints it."""
    rng = np.random.default_rng([seed, round(1000 * rate)])
    t = np.arange(1, epochs + 1) / epochs
    loss = 1.2 + 0.05 * rng.normal() + np.exp(-6 * t) + 0.3 * (1 - rate) * np.clip(t - 0.5, 0, None)
    parts = np.outer(loss, (1.0, 0.8, 0.3)) * (1 + 0.02 * rng.normal(size=(epochs, 3)))
    metrics = np.clip(np.outer(1 / (1 + loss), (1.2, 1.1, 1.0, 0.7)) + 0.01 * rng.normal(size=(epochs, 4)), 0, 1)
    rates = np.outer(1 - 0.99 * t, (2e-3, 2e-3, 2e-3))
    values = np.column_stack(
        [np.arange(1, epochs + 1), 3.1 * np.arange(1, epochs + 1), 1.1 * parts, metrics, parts, rates]
    )
    return "\n".join([COLUMNS, *(",".join(f"{value:.6g}" for value in row) for row in values)]) + "\n"


def record_of(seed: int, rate: float) -> RunRecord:
    """A `run.json` as a run writes it."""
    proof = {
        "kind": "dropout2d",
        "schedule": "constant",
        "train_differs": True,
        "eval_differs": False,
        "live_rates": {str(epoch): rate for epoch in range(1, EPOCHS + 1)},
        "branch_note": "Validation losses describe the one-to-one branch.",
    }
    versions = {"python": "3.11", "torch": "2.9", "ultralytics": "8.4.190"}
    started = "2026-01-01T00:00:00+00:00"
    return RunRecord(rate_text(rate), seed, "finished", None, None, started, 300.0, EPOCHS, SITES, proof, versions)


def spec_of(runs: int) -> StudySpec:
    """So many runs: the five default rates, and seeds."""
    return StudySpec(
        model="yolo26n.yaml",
        data="made-up.yaml",
        rates=RATES,
        seeds=tuple(range(runs // len(RATES))),
        train={"epochs": EPOCHS},
    )


def make(folder: StudyFolder, spec: StudySpec) -> None:
    """Make the run folders of a finished study."""
    for run in plan(spec):
        where: RunFolder = folder.run(run.name)
        where.path.mkdir(parents=True)
        where.results.write_text(results_text(run.seed, run.rate or 0.0))
        write_record(where, record_of(run.seed, run.rate or 0.0))
    write_study_file(folder, spec, inspect(spec).stored)

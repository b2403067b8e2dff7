"""One epoch of every task on a tiny data set: dropout acts, and the checkpoint predicts in stock Ultralytics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny_data import make_data

from yolo_dropout.folder.results_csv import read_results
from yolo_dropout.folder.study_file import read_config
from yolo_dropout.spec.embedded import embedded_path
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.training import prepare, train_lean
from yolo_dropout.training.models import load_model

TINY: dict[str, Any] = {"epochs": 1, "imgsz": 64, "batch": 2, "nbs": 2}
# Model, data, and the number of sites at the head.
CASES = {
    "detect": ("yolov8n.yaml", "detect", 6),
    "two branches": ("yolov10n.yaml", "detect", 12),
    "rtdetr": ("yolov8n-rtdetr.yaml", "detect", 30),
    "segment": ("yolo26n-seg.yaml", "segment", 19),
    "pose": ("yolo26n-pose.yaml", "pose", 18),
    "obb": ("yolo26n-obb.yaml", "obb", 18),
    "classify": ("yolo26n-cls.yaml", "classify", 1),
    "semantic": ("yolo26n-sem.yaml", "semantic", 2),
    "depth": ("yolo26n-depth.yaml", "depth", 1),
}

pytestmark = pytest.mark.train


@pytest.mark.oldest
@pytest.mark.parametrize("case", CASES)
def test_a_task_trains_with_dropout_and_leaves_a_stock_checkpoint(case: str, tmp_path: Path) -> None:
    from ultralytics import YOLO

    config, task, n_sites = CASES[case]
    model, data = load_model(config), str(make_data(task, tmp_path / "data"))
    found = prepare(model, data, TINY, [0.0, 0.2])
    assert (found.task, found.n_train, found.n_val, found.n_classes) == (task, 4, 2, 2)
    run = train_lean(model, dropout=0.2, data=data, save_dir=str(tmp_path / "run"), **TINY)
    assert run.sites == found.sites
    assert len(run.sites) == n_sites
    assert run.proof["rates"] == [0.2]
    assert run.proof["train_differs"] and not run.proof["eval_differs"]
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    assert len(YOLO(run.best).predict(image, imgsz=64, verbose=False)) == 1


@pytest.mark.oldest
@pytest.mark.parametrize(
    ("name", "metric"), [("digits-detect", "metrics/mAP50-95(B)"), ("digits-classify", "metrics/accuracy_top1")]
)
def test_a_lean_training_tells_its_best_epoch_by_class(name: str, metric: str, tmp_path: Path) -> None:
    spec = StudySpec.from_dict(read_config(embedded_path(f"{name}/study.yaml")), name)
    run = train_lean(spec.model, data=spec.data, save_dir=str(tmp_path), **{**spec.train, "epochs": 2})
    results, by_class = read_results(run.results_csv), pd.read_csv(tmp_path / "classes.csv", dtype={"class": str})
    assert by_class["class"].tolist() == [str(digit) for digit in range(10)]
    assert set(by_class["metric"]) == {metric}
    # Every class has as many validation images as the others, so that the mean over classes is the metric.
    assert by_class["value"].mean() == pytest.approx(results.curve(metric)[results.best_row], abs=1e-4)
    assert by_class["value"].std() > 0.01


@pytest.mark.parametrize(
    ("where", "kind", "schedule"),
    [("neck", "dropout", "linear"), ("backbone", "drop_path", "late:1")],
)
def test_other_places_kinds_and_schedules_train(where: str, kind: str, schedule: str, tmp_path: Path) -> None:
    data = str(make_data("detect", tmp_path / "data"))
    run = train_lean(
        "yolov8n.yaml",
        dropout=0.2,
        where=where,
        kind=kind,
        schedule=schedule,
        data=data,
        save_dir=str(tmp_path / "run"),
        **{**TINY, "epochs": 2, "imgsz": 32},
    )
    assert run.sites
    assert run.proof["rates"] == [0.0, 0.2]
    assert (run.proof["where"], run.proof["kind"], run.proof["schedule"]) == (where, kind, schedule)

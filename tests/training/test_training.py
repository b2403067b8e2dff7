"""Real trainings, tiny: the numbers are stock's at rate 0, dropout acts above it, and checkpoints are stock."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tiny_data import make_data

from yolo_dropout.errors import SiteError
from yolo_dropout.training import TrainedRun, train_lean, train_with_dropout

MODELS = {"detect": "yolo26n.yaml", "classify": "yolo26n-cls.yaml"}
# With `nbs` every batch is a step of the optimizer; without it there is none, and much is equal for that reason.
TINY: dict[str, Any] = {"epochs": 2, "imgsz": 32, "batch": 2, "nbs": 2, "plots": False, "seed": 3}
WAYS = {"train_with_dropout": train_with_dropout, "train_lean": train_lean}

pytestmark = [pytest.mark.train, pytest.mark.oldest]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TrainedRun]:
    root = tmp_path_factory.mktemp("trained")

    @cache
    def data(task: str) -> str:
        return str(make_data(task, root / "data" / task))

    @cache
    def train(task: str, way: str, rate: float) -> TrainedRun:
        where = str(root / f"{task}-{way}-{rate}")
        return WAYS[way](MODELS[task], dropout=rate, data=data(task), save_dir=where, **TINY)

    @cache
    def stock(task: str) -> Path:
        from ultralytics import YOLO

        where = root / f"{task}-stock"
        YOLO(MODELS[task]).train(data=data(task), save_dir=str(where), **TINY)
        return where / "results.csv"

    train.stock = stock  # type: ignore[attr-defined]
    train.data = data  # type: ignore[attr-defined]
    return train


def rows(results_csv: Path) -> list[dict[str, str]]:
    with results_csv.open() as stream:
        return [{k: v for k, v in row.items() if k != "time"} for row in csv.DictReader(stream)]


@pytest.mark.parametrize("task", MODELS)
@pytest.mark.parametrize("way", WAYS)
def test_at_rate_zero_results_equal_stock_to_the_last_digit(trained: Any, task: str, way: str) -> None:
    ours, stock = rows(trained(task, way, 0.0).results_csv), rows(trained.stock(task))
    assert len(stock) == TINY["epochs"]
    assert ours == stock


@pytest.mark.parametrize("task", MODELS)
def test_above_zero_the_training_loss_differs_from_the_first_epoch_on(trained: Any, task: str) -> None:
    ours, stock = rows(trained(task, "train_lean", 0.4).results_csv), rows(trained.stock(task))
    losses = [name for name in stock[0] if name.startswith("train/")]
    assert all(ours[0][name] != stock[0][name] for name in losses)


@pytest.mark.parametrize("task", MODELS)
def test_a_lean_training_has_the_same_numbers_above_zero(trained: Any, task: str) -> None:
    assert rows(trained(task, "train_lean", 0.4).results_csv) == rows(
        trained(task, "train_with_dropout", 0.4).results_csv
    )


def test_the_proof_holds_sites_rates_and_the_measured_check(trained: Any) -> None:
    run = trained("detect", "train_lean", 0.4)
    assert len(run.sites) == 12
    assert run.proof["sites"] == list(run.sites)
    assert run.proof["rates"] == [0.4, 0.4]
    assert run.proof["train_differs"] is True
    assert run.proof["eval_differs"] is False
    assert run.proof["branch_note"] == "val losses: one-to-one branch; mAP: one-to-many branch + NMS"


def test_a_classifier_acts_at_its_own_dropout(trained: Any) -> None:
    assert trained("classify", "train_lean", 0.4).sites == ("model.10.drop",)


def test_the_control_has_no_sites(trained: Any) -> None:
    run = trained("detect", "train_lean", 0.0)
    assert run.sites == ()
    assert run.proof["sites"] == run.proof["rates"] == []


def test_on_epoch_gets_every_row_as_it_is_written(trained: Any, tmp_path: Path) -> None:
    seen: list[dict[str, float]] = []
    run = train_lean(
        MODELS["classify"], data=trained.data("classify"), save_dir=str(tmp_path), on_epoch=seen.append, **TINY
    )
    assert [row["epoch"] for row in seen] == [1, 2]
    assert [f"{row['val/loss']:.6g}" for row in seen] == [row["val/loss"] for row in rows(run.results_csv)]


BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "yolo_dropout":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Blocker())
import numpy as np
from ultralytics import YOLO
for weights in sys.argv[1:]:
    results = YOLO(weights).predict(np.zeros((32, 32, 3), dtype=np.uint8), imgsz=32, verbose=False)
    assert len(results) == 1
assert "yolo_dropout" not in sys.modules
print("predicted", len(sys.argv) - 1)
"""


def test_checkpoints_predict_in_a_process_without_this_package(trained: Any, tmp_path: Path) -> None:
    runs = [trained(task, way, 0.4) for task in MODELS for way in WAYS]
    weights = [str(file) for run in runs for file in (run.best, run.last)]
    done = subprocess.run(
        [sys.executable, "-I", "-c", BLOCKED, *weights], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"predicted {len(weights)}" in done.stdout


def test_a_checkpoint_has_stock_keys_and_modules(trained: Any) -> None:
    from ultralytics import YOLO

    stock, ours = YOLO(MODELS["detect"]).model, YOLO(trained("detect", "train_lean", 0.4).last).model
    assert {n: type(m) for n, m in ours.named_modules()} == {n: type(m) for n, m in stock.named_modules()}
    assert ours.state_dict().keys() == stock.state_dict().keys()


def test_a_checkpoint_as_a_path_and_as_an_object_train_alike(trained: Any, tmp_path: Path) -> None:
    from ultralytics import YOLO

    best = trained("classify", "train_lean", 0.4).best
    args = {**TINY, "epochs": 1, "data": trained.data("classify"), "dropout": 0.3}
    by_path = train_lean(best, save_dir=str(tmp_path / "path"), **args)
    by_object = train_lean(YOLO(best), save_dir=str(tmp_path / "object"), **args)
    assert rows(by_path.results_csv) == rows(by_object.results_csv)


def test_a_rate_that_finds_no_site_is_an_error_and_trains_nothing(trained: Any, tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"no site for where='head.box'"):
        train_lean(
            MODELS["classify"],
            dropout=0.1,
            where="head.box",
            data=trained.data("classify"),
            save_dir=str(tmp_path),
            **TINY,
        )
    assert not (tmp_path / "results.csv").exists()

"""`apply_dropout` on a `YOLO` object: what `train` builds anew has dropout too, and is stock again without."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_data import make_data
from torch import nn
from ultralytics import YOLO
from ultralytics.utils import LOGGER

from yolo_dropout import apply_dropout, strip_dropout, train_with_dropout
from yolo_dropout.errors import SiteError

# With `nbs` every batch is a step of the optimizer.
TINY: dict[str, Any] = {"epochs": 1, "imgsz": 32, "batch": 2, "nbs": 2, "plots": False, "val": False, "workers": 0}

pytestmark = pytest.mark.train
Train = Callable[..., list[dict[str, str]]]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains a `YOLO` object with one seed; returns the rows of `results.csv`."""
    root = tmp_path_factory.mktemp("on_yolo")
    data = make_data("detect", root / "data")

    def train(yolo: YOLO, **more: Any) -> list[dict[str, str]]:
        yolo.train(data=str(data), project=str(root), name="run", seed=1, **{**TINY, **more})
        with Path(yolo.trainer.csv).open() as stream:
            return [{k: v for k, v in row.items() if k != "time"} for row in csv.DictReader(stream)]

    return train


@pytest.fixture(scope="module")
def stock(train: Train) -> list[dict[str, str]]:
    return train(YOLO("yolo26n.yaml"))


def test_dropout_on_a_yolo_object_acts_in_its_training_and_leaves_a_stock_checkpoint(
    train: Train, stock: list[dict[str, str]], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGGER, "propagate", True)
    yolo = YOLO("yolo26n.yaml")
    sites = apply_dropout(yolo, 0.5, kind="dropblock")
    with caplog.at_level(logging.INFO, logger=LOGGER.name):
        assert train(yolo) != stock
    assert f"dropout 0.5 acts at {len(sites)} sites" in caplog.text
    saved = torch.load(yolo.trainer.last, weights_only=False)
    modules = [type(module) for module in (saved["ema"] or saved["model"]).modules()]
    assert not [kind for kind in modules if kind.__module__.startswith("yolo_dropout") or kind is nn.Dropout2d]


def test_a_yolo_object_without_its_dropout_trains_as_stock(train: Train, stock: list[dict[str, str]]) -> None:
    yolo = YOLO("yolo26n.yaml")
    apply_dropout(yolo, 0.5)
    strip_dropout(yolo)
    assert train(yolo) == stock


def test_tuning_in_other_processes_is_refused_and_stock_again_without() -> None:
    yolo = YOLO("yolo26n.yaml")
    apply_dropout(yolo, 0.5)
    with pytest.raises(SiteError, match=r"^tune: .*call train_with_dropout"):
        yolo.tune(data="coco8.yaml")
    strip_dropout(yolo)
    assert yolo.tune.__func__ is YOLO.tune


def test_another_rate_takes_the_place_of_the_first(train: Train) -> None:
    once, twice = YOLO("yolo26n.yaml"), YOLO("yolo26n.yaml")
    apply_dropout(once, 0.2)
    apply_dropout(twice, 0.7)
    apply_dropout(twice, 0.2)
    assert train(once) == train(twice)


def test_train_with_dropout_keeps_to_its_own_rate(train: Train, stock: list[dict[str, str]], tmp_path: Path) -> None:
    yolo = YOLO("yolo26n.yaml")
    apply_dropout(yolo, 0.5)
    data = make_data("detect", tmp_path / "data")
    run = train_with_dropout(yolo, data=str(data), project=str(tmp_path), name="run", seed=1, **TINY)
    with run.results_csv.open() as stream:
        assert [{k: v for k, v in row.items() if k != "time"} for row in csv.DictReader(stream)] == stock


@pytest.mark.parametrize(("name", "args"), [("compile", {"compile": True}), ("device", {"device": "0,1"})])
def test_a_training_that_dropout_would_not_reach_is_refused(name: str, args: dict[str, object]) -> None:
    yolo = YOLO("yolo26n.yaml")
    apply_dropout(yolo, 0.5)
    given = SimpleNamespace(**{"compile": False, **args})
    trainer = SimpleNamespace(world_size=2 if name == "device" else 1, args=given)
    told = f"^{name}: apply_dropout does not reach a training with {name}={args[name]}; use"
    with pytest.raises(SiteError, match=told):
        for begin in yolo.callbacks["on_pretrain_routine_start"]:
            begin(trainer)

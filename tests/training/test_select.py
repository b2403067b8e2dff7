"""`select="val/loss"`: the validation loss decides which epoch `best.pt` holds, and when patience ends."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_data import CLS, make_data

from yolo_dropout import StudySpec, train_with_dropout
from yolo_dropout.cli import main
from yolo_dropout.errors import SpecError
from yolo_dropout.folder.results_csv import Results, read_results


def test_the_loss_below_zero_is_the_fitness_and_one_that_is_not_finite_the_worst():
    from yolo_dropout.training.trainer import ByLoss

    trainer = ByLoss.__new__(ByLoss)
    vars(trainer).update(ema=None, world_size=1, best_fitness=None, loss=torch.zeros(1))
    told = [{"fitness": 0.5, "val/box_loss": 2.0, "val/cls_loss": 1.0}, {"fitness": 0.9, "val/box_loss": float("nan")}]
    for values, fitness in zip(told, (-3.0, -1e30), strict=True):
        trainer.validator = lambda _trainer, values=values: dict(values)
        metrics, found = trainer.validate()
        assert found == fitness
        assert trainer.best_fitness == -3.0
        assert "fitness" not in metrics
    trainer.validator = lambda _trainer: None
    assert trainer.validate() == (None, None), "another rank of a multi-GPU training"


def test_the_best_row_is_that_of_the_lowest_loss_and_of_equal_ones_the_last():
    matrix = np.array([[0.9, 2.0], [0.1, 1.0], [0.2, 1.0], [0.3, np.nan]])
    results = Results(np.arange(1, 5), ("metrics/mAP50-95(B)", "val/loss"), matrix)
    assert results.best_row == 0
    assert Results(results.epochs, results.metrics, matrix, by_loss=True).best_row == 2


@pytest.mark.train
def test_best_holds_the_epoch_of_the_lowest_loss_and_a_resumed_training_goes_on_so(tmp_path):
    from ultralytics import YOLO

    data = make_data("classify", tmp_path / "data")
    usual = {"data": str(data), "epochs": 4, "imgsz": 32, "batch": 2, "plots": False, "device": "cpu", "lr0": 0.1}
    usual |= {"optimizer": "SGD", "warmup_epochs": 0, "project": str(tmp_path)}
    stop = {"n": 0}

    def break_off(trainer):
        stop["n"] += 1
        if stop["n"] == 2:
            raise KeyboardInterrupt

    yolo = YOLO(CLS)
    yolo.add_callback("on_model_save", break_off)
    with pytest.raises(KeyboardInterrupt):
        train_with_dropout(yolo, name="by-loss", select="val/loss", **usual)
    last = tmp_path / "by-loss" / "weights" / "last.pt"
    run = train_with_dropout(last, resume=True)
    results = read_results(run.results_csv)
    assert YOLO(run.best).ckpt["train_metrics"]["fitness"] == pytest.approx(-results.curve("val/loss").min(), abs=1e-5)
    stock = train_with_dropout(CLS, name="stock", **usual | {"epochs": 1})
    assert YOLO(stock.best).ckpt["train_metrics"]["fitness"] >= 0


def test_a_resumed_training_keeps_what_selects():
    from yolo_dropout.training.api import _selected

    by_fitness, by_loss = (SimpleNamespace(ckpt={"best_fitness": value}) for value in (0.4, -2.5))
    assert _selected(by_fitness, None) is None
    assert _selected(by_loss, None) == _selected(by_loss, "val/loss") == "val/loss"
    with pytest.raises(SpecError, match="a resumed training keeps its own"):
        _selected(by_fitness, "val/loss")


def test_a_spec_holds_it_only_where_it_was_asked_for(capsys):
    spec = StudySpec("m.pt", "d.yaml", select="val/loss")
    assert StudySpec.from_dict(spec.as_dict()) == spec
    assert "select" not in StudySpec("m.pt", "d.yaml").as_dict()
    assert main(["sweep", "model=m.pt", "data=d.yaml", "--select", "mAP50"]) == 2
    assert "select: must be val/loss" in capsys.readouterr().err

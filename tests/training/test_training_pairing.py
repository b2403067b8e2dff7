"""The runs of a seed differ by dropout alone: on a CPU its masks take no random number from anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_data import CLS, NET, make_data
from torch import nn
from ultralytics import YOLO

from yolo_dropout.training import train_lean
from yolo_dropout.training.mask_stream import MaskStream
from yolo_dropout.training.trainer import ActingDropout

MODEL = str(CLS)
TINY: dict[str, Any] = {"epochs": 2, "imgsz": 32, "batch": 2, "nbs": 2}


def masks(stream: MaskStream, rate: float = 0.5) -> torch.Tensor:
    """What dropout lets through of ones in the next training step."""
    stream.enter()
    passed = nn.Dropout(rate)(torch.ones(2, 1280))
    stream.leave()
    return passed


def control_and_dropped(model: str, task: str, root: Path, **args: Any) -> tuple[list[Any], list[torch.Tensor]]:
    """Of a training at rate 0 and one above: the images of every step, and where torch's own stream ends."""
    data, ends = str(make_data(task, root / "data")), list[torch.Tensor]()
    images: list[list[torch.Tensor]] = [[], []]

    def keep(trainer: Any) -> None:
        stock = trainer.preprocess_batch
        trainer.preprocess_batch = lambda batch: (images[len(ends)].append(batch["img"].clone()), stock(batch))[1]

    for rate in (0.0, 0.5):
        yolo = YOLO(model)
        yolo.add_callback("on_train_start", keep)
        run = train_lean(yolo, dropout=rate, data=data, save_dir=str(root / str(rate)), seed=3, **TINY | args)
        assert bool(run.sites) is (rate > 0)
        ends.append(torch.get_rng_state())
    return images, ends


@pytest.mark.train
def test_a_classifier_trains_on_the_same_crops_with_dropout_and_torch_s_own_stream_ends_alike(tmp_path: Path) -> None:
    (control, dropped), ends = control_and_dropped(MODEL, "classify", tmp_path)
    assert len(control) == 4
    assert not torch.equal(control[0], control[2]), "augmentation is off, so that this test could not fail"
    assert all(torch.equal(a, b) for a, b in zip(control, dropped, strict=True))
    assert torch.equal(*ends)


@pytest.mark.train
def test_torch_s_own_stream_ends_where_the_control_s_does_in_a_detector_too(tmp_path: Path) -> None:
    (control, dropped), ends = control_and_dropped(str(NET), "detect", tmp_path, epochs=1)
    assert all(torch.equal(a, b) for a, b in zip(control, dropped, strict=True))
    assert torch.equal(*ends)


@pytest.mark.train
def test_the_masks_are_those_of_the_training_s_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, made = str(make_data("classify", tmp_path / "data")), list[int]()
    monkeypatch.setattr(
        "yolo_dropout.training.trainer.MaskStream", lambda seed: (made.append(seed), MaskStream(seed))[1]
    )
    for seed in (0, 7):
        train_lean(MODEL, dropout=0.3, data=data, save_dir=str(tmp_path / str(seed)), seed=seed, **TINY | {"epochs": 1})
    assert made == [0, 7]


def test_masks_of_a_seed_are_the_same_and_others_differ() -> None:
    stream = MaskStream(0)
    first, second = masks(stream), masks(stream)
    assert not torch.equal(first, second)
    assert torch.equal(first, masks(MaskStream(0)))
    assert not torch.equal(first, masks(MaskStream(1)))


def test_what_a_low_rate_drops_a_high_rate_drops_too() -> None:
    low, high = masks(MaskStream(0), 0.1), masks(MaskStream(0), 0.5)
    assert (low == 0).any()
    assert ((low == 0) <= (high == 0)).all()


def test_a_step_that_breaks_off_costs_the_rest_nothing() -> None:
    before, stream = torch.get_rng_state(), MaskStream(0)
    stream.enter()
    torch.rand(1)
    stream.enter()
    stream.leave()
    stream.leave()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.train
def test_an_epoch_begins_and_ends_outside_of_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stock = ActingDropout.run_callbacks
    inside: dict[str, list[bool]] = {"on_train_epoch_start": [], "on_train_epoch_end": []}

    def without_ends(trainer: Any, name: str) -> None:
        if name != "on_train_batch_end":
            stock(trainer, name)
        if name in inside:
            inside[name].append(trainer.mask_stream._rest is not None)

    monkeypatch.setattr(ActingDropout, "run_callbacks", without_ends)
    data = str(make_data("classify", tmp_path / "data"))
    train_lean(MODEL, dropout=0.3, data=data, save_dir=str(tmp_path / "run"), **TINY)
    assert inside == {"on_train_epoch_start": [False, False], "on_train_epoch_end": [False, False]}

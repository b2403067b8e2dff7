"""The runs of a seed differ by dropout alone: on a CPU its masks take no random number from anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_data import make_data
from torch import nn
from ultralytics.models.yolo.classify import ClassificationTrainer

from yolo_dropout.sites import apply_dropout, find_sites
from yolo_dropout.training import train_lean
from yolo_dropout.training.mask_stream import MaskStream

TINY: dict[str, Any] = {"epochs": 2, "imgsz": 32, "batch": 2, "nbs": 2, "seed": 3}


def network() -> nn.Module:
    from ultralytics import YOLO

    return YOLO("yolo26n-cls.yaml").model.train()


def masks(seed: int, rate: float = 0.5, passes: int = 2) -> list[torch.Tensor]:
    """What a classifier's dropout lets through of ones, pass after pass."""
    net = network()
    sites = apply_dropout(net, rate)
    MaskStream(seed).feed(net, sites)
    drop = net.get_submodule(sites[0].name)
    return [drop(torch.ones(2, 1280)) for _ in range(passes)]


@pytest.mark.train
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_a_classifier_trains_on_the_same_crops_at_every_rate(
    rate: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[float, list[torch.Tensor]] = {0.0: [], rate: []}
    data = str(make_data("classify", tmp_path / "data"))
    stock = ClassificationTrainer.preprocess_batch
    for at, batches in seen.items():

        def keep(trainer: Any, batch: dict[str, Any], batches: list[torch.Tensor] = batches) -> Any:
            batches.append(batch["img"].clone())
            return stock(trainer, batch)

        monkeypatch.setattr(ClassificationTrainer, "preprocess_batch", keep)
        run = train_lean("yolo26n-cls.yaml", dropout=at, data=data, save_dir=str(tmp_path / str(at)), **TINY)
        assert bool(run.sites) is (at > 0)
    assert len(seen[0.0]) == 4
    assert not torch.equal(seen[0.0][0], seen[0.0][2]), "augmentation is off, so that this test could not fail"
    assert all(torch.equal(a, b) for a, b in zip(*seen.values(), strict=True))


@pytest.mark.train
@pytest.mark.parametrize(("model", "task"), [("yolov8n-rtdetr.yaml", "detect"), ("yolo26n.yaml", "detect")])
def test_torch_s_own_stream_ends_where_the_control_s_does(model: str, task: str, tmp_path: Path) -> None:
    data = str(make_data(task, tmp_path / "data"))
    ends = []
    for rate in (0.0, 0.3):
        train_lean(model, dropout=rate, data=data, save_dir=str(tmp_path / str(rate)), **{**TINY, "epochs": 1})
        ends.append(torch.get_rng_state())
    assert torch.equal(*ends)


def test_masks_of_a_seed_are_the_same_and_others_differ() -> None:
    first, second = masks(0)
    assert not torch.equal(first, second)
    assert torch.equal(first, masks(0)[0])
    assert not torch.equal(first, masks(1)[0])


def test_what_a_low_rate_drops_a_high_rate_drops_too() -> None:
    low, high = masks(0, 0.1)[0], masks(0, 0.5)[0]
    assert (low == 0).any()
    assert ((low == 0) <= (high == 0)).all()


def test_the_stream_is_left_alone_in_evaluation_and_after_an_error() -> None:
    net = network()
    sites = apply_dropout(net, 0.5)
    MaskStream(0).feed(net, sites)
    drop, before = net.get_submodule(find_sites(net)[0].name), torch.get_rng_state()
    with pytest.raises(TypeError):
        drop(None)
    drop.eval()(torch.ones(2, 3))
    assert torch.equal(before, torch.get_rng_state())

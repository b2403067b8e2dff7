"""A snapshot holds what the trainer was, in memory that is used again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from yolo_dropout.training.lean.snapshot import Snapshot


def trainer(value: float, steps: int = 1) -> Any:
    """What `Snapshot` looks at, after some optimizer steps."""
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    for tensor in net.state_dict().values():
        tensor.fill_(value)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.0)
    for _ in range(steps):
        net(torch.ones(1, 1, 2, 2)).sum().backward()
        optimizer.step()
    scaler = SimpleNamespace(state_dict=lambda: {"scale": 2.0})
    fields = {"epoch": int(value), "fitness": value, "best_fitness": value, "metrics": {"a": value}, "stopper": "s"}
    ema = SimpleNamespace(ema=net, updates=int(value))
    return SimpleNamespace(ema=ema, optimizer=optimizer, scaler=scaler, **fields)


def pointers(snapshot: Snapshot) -> set[int]:
    return {tensor.data_ptr() for tensor in snapshot.weights}


@pytest.mark.parametrize("spare", [None, Snapshot.of(trainer(9)), Snapshot.of(trainer(9, steps=0))])
def test_a_snapshot_equals_the_state_and_does_not_follow_it(spare: Snapshot | None):
    live = trainer(3)
    held = Snapshot.of(live, spare)
    expected = {name: tensor.clone() for name, tensor in live.ema.ema.state_dict().items()}
    other = trainer(5)
    for tensor in live.ema.ema.state_dict().values():
        tensor.zero_()
    held.put_into(other, other.ema.ema)
    assert all(torch.equal(other.ema.ema.state_dict()[name], tensor) for name, tensor in expected.items())
    assert held.optimizer["state"].keys() == live.optimizer.state_dict()["state"].keys()
    assert held.optimizer["param_groups"] == live.optimizer.state_dict()["param_groups"]
    assert (held.updates, held.fields["epoch"], held.scaler) == (3, 3, {"scale": 2.0})


def test_the_memory_of_a_spare_snapshot_is_used_again():
    first = Snapshot.of(trainer(1))
    taken = pointers(first)
    assert pointers(Snapshot.of(trainer(2), first)) == taken


def test_a_spare_snapshot_of_another_shape_is_left_alone():
    first = Snapshot.of(trainer(1, steps=0))  # no optimizer state yet
    second = Snapshot.of(trainer(2), first)
    assert not pointers(second) & pointers(first)


@pytest.mark.parametrize(("value", "finite"), [(1.0, True), (float("nan"), False), (float("inf"), False)])
def test_weights_that_are_not_finite_are_told(value: float, finite: bool):
    live = trainer(1)
    live.ema.ema[0].weight.data[0] = value
    assert Snapshot.of(live).finite is finite

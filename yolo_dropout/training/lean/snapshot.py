"""The state of a training after an epoch, held in memory."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_map_only


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint of one epoch is made from.

    Attributes:
        weights: Parameters and buffers of the EMA in their order, copied to the CPU.
        optimizer: State dict of the optimizer, copied to the CPU.
        scaler: State dict of the gradient scaler.
        updates: How often the EMA was updated.
        fields: The trainer's epoch, fitness, best_fitness, metrics and stopper.
    """

    weights: list[torch.Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    updates: int
    fields: dict[str, Any]

    @classmethod
    def of(cls, trainer: Any, spare: Snapshot | None = None) -> Snapshot:
        """Copy the state of an Ultralytics trainer, into the memory of a snapshot that nobody needs any more."""
        names = ("epoch", "fitness", "best_fitness", "metrics", "stopper")
        weights, states = _weights(trainer.ema.ema), [trainer.optimizer.state_dict(), trainer.scaler.state_dict()]
        spare_tensors = spare.weights + _tensors([spare.optimizer, spare.scaler]) if spare else []
        copies = _copies(weights + _tensors(states), spare_tensors)
        rest = iter(copies[len(weights) :])
        optimizer, scaler = tree_map_only(torch.Tensor, lambda _: next(rest), states)
        fields = {name: copy(getattr(trainer, name)) for name in names}
        return cls(copies[: len(weights)], optimizer, scaler, trainer.ema.updates, fields)

    def put_into(self, trainer: Any, ema: nn.Module) -> None:
        """Make a shallow copy of a trainer look as it did, as far as Ultralytics' `save_model` looks.

        `ema` is a copy of the live EMA, and takes the held weights.
        """
        with torch.no_grad():
            torch._foreach_copy_(_weights(ema), self.weights)
        trainer.ema = SimpleNamespace(ema=ema, updates=self.updates)
        trainer.optimizer = SimpleNamespace(state_dict=lambda: self.optimizer)
        trainer.scaler = SimpleNamespace(state_dict=lambda: self.scaler)
        for name, value in self.fields.items():
            setattr(trainer, name, value)

    @property
    def finite(self) -> bool:
        """Whether all weights are: Ultralytics repairs those that are not."""
        weights = [tensor for tensor in self.weights if tensor.dtype.is_floating_point]
        return bool(torch.stack(torch._foreach_norm(weights)).isfinite().all())


def _weights(net: nn.Module) -> list[torch.Tensor]:
    """Parameters and buffers, in one walk over the modules: a state dict takes three times as long."""
    held = (tensor for m in net.modules() for tensor in (*m._parameters.values(), *m._buffers.values()))
    return [tensor for tensor in held if tensor is not None]


def _copies(tensors: list[torch.Tensor], spare: list[torch.Tensor]) -> list[torch.Tensor]:
    """Copies on the CPU, in the memory of `spare` where its tensors are alike."""
    if [(t.shape, t.dtype) for t in tensors] != [(t.shape, t.dtype) for t in spare]:
        spare = [torch.empty_like(tensor, device="cpu") for tensor in tensors]
    with torch.no_grad():
        torch._foreach_copy_(spare, tensors)
    return spare


def _tensors(state: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_flatten(state)[0] if isinstance(leaf, torch.Tensor)]

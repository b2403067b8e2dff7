"""The state of a training after an epoch, held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn


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
        """Copy the state of an Ultralytics trainer; some milliseconds for a small model.

        Args:
            trainer: The trainer.
            spare: A snapshot that nobody needs any more; its memory is used again.
        """
        names = ("epoch", "fitness", "best_fitness", "metrics", "stopper")
        states = [_weights(trainer.ema.ema), trainer.optimizer.state_dict(), trainer.scaler.state_dict()]
        held = [spare.weights, spare.optimizer, spare.scaler] if spare else []
        weights, optimizer, scaler = _copied(states, held)
        fields = {name: copy(getattr(trainer, name)) for name in names}
        return cls(weights, optimizer, scaler, trainer.ema.updates, fields)

    def put_into(self, trainer: Any, ema: nn.Module) -> None:
        """Make a trainer look as it did, as far as Ultralytics' `save_model` looks.

        Args:
            trainer: A shallow copy of the live trainer.
            ema: A copy of the live EMA; takes the held weights.
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
    return [*net.parameters(), *net.buffers()]  # a state dict takes twice as long


def _copied(state: Any, spare: Any) -> Any:
    """A copy on the CPU, in the memory of `spare` where its tensors are alike."""
    tensors, held = list(_tensors(state)), list(_tensors(spare))
    if [(t.shape, t.dtype) for t in tensors] != [(t.shape, t.dtype) for t in held]:
        held = [torch.empty_like(tensor, device="cpu") for tensor in tensors]
    with torch.no_grad():
        torch._foreach_copy_(held, tensors)
    return _with_tensors(state, iter(held))


def _tensors(state: Any) -> Iterator[torch.Tensor]:
    if isinstance(state, torch.Tensor):
        yield state
    elif isinstance(state, (dict, list)):
        for value in state.values() if isinstance(state, dict) else state:
            yield from _tensors(value)


def _with_tensors(state: Any, tensors: Iterator[torch.Tensor]) -> Any:
    """The same nest of dicts and lists around other tensors."""
    if isinstance(state, torch.Tensor):
        return next(tensors)
    if isinstance(state, dict):
        return {key: _with_tensors(value, tensors) for key, value in state.items()}
    return [_with_tensors(value, tensors) for value in state] if isinstance(state, list) else state

"""The state of a training after an epoch, held in memory."""

from __future__ import annotations

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
        weights: State dict of the EMA, copied to the CPU.
        optimizer: State dict of the optimizer, copied to the CPU.
        scaler: State dict of the gradient scaler.
        updates: How often the EMA was updated.
        fields: The trainer's epoch, fitness, best_fitness, metrics and stopper.
    """

    weights: dict[str, Any]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    updates: int
    fields: dict[str, Any]

    @classmethod
    def of(cls, trainer: Any) -> Snapshot:
        """Copy the state of an Ultralytics trainer; some milliseconds for a small model."""
        names = ("epoch", "fitness", "best_fitness", "metrics", "stopper")
        return cls(
            _copied(trainer.ema.ema.state_dict()),
            _copied(trainer.optimizer.state_dict()),
            _copied(trainer.scaler.state_dict()),
            trainer.ema.updates,
            {name: copy(getattr(trainer, name)) for name in names},
        )

    def put_into(self, trainer: Any, ema: nn.Module) -> None:
        """Make a trainer look as it did, as far as Ultralytics' `save_model` looks.

        Args:
            trainer: A shallow copy of the live trainer.
            ema: A copy of the live EMA; takes the held weights.
        """
        ema.load_state_dict(self.weights)
        trainer.ema = SimpleNamespace(ema=ema, updates=self.updates)
        trainer.optimizer = SimpleNamespace(state_dict=lambda: self.optimizer)
        trainer.scaler = SimpleNamespace(state_dict=lambda: self.scaler)
        for name, value in self.fields.items():
            setattr(trainer, name, value)


def _copied(state: Any) -> Any:
    if isinstance(state, torch.Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: _copied(value) for key, value in state.items()}
    return [_copied(value) for value in state] if isinstance(state, list) else state

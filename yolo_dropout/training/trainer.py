"""Trainer classes: Ultralytics' own for the task, with dropout that acts, and checkpoints that survive a kill."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from inspect import signature
from math import isfinite
from typing import Any
from unittest.mock import patch

from ultralytics.engine.trainer import BaseTrainer
from ultralytics.utils import LOGGER, RANK
from ultralytics.utils.torch_utils import unwrap_model

from yolo_dropout.errors import SpecError
from yolo_dropout.sites import Dropout, Site, apply_dropout, live_rates, network, set_rate, strip_dropout
from yolo_dropout.training import record
from yolo_dropout.training.checkpoints import AtomicPath, SafeCheckpoints
from yolo_dropout.training.lean.checkpoints import LeanCheckpoints
from yolo_dropout.training.mask_stream import MaskStream
from yolo_dropout.training.proof import measure

# In the place of one that is not finite, of which Ultralytics would go back to the epoch before.
_NO_LOSS = 1e30


def trainer_class(
    of: Any,
    plan: Dropout,
    *,
    lean: bool,
    by_loss: bool = False,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
) -> type:
    """The trainer class for a model, or on top of another trainer class, and a plan.

    A class and not an instance carries the plan, because multi-GPU training sends only the class to its ranks. At rate
    0.0 nothing of ours touches the model. A lean one calls `on_epoch` with every row of `results.csv`. With `by_loss`
    the validation loss selects `best.pt`.
    """
    stock = of.task_map[of.task]["trainer"] if hasattr(of, "task_map") else of
    if not isinstance(stock, type) or not issubclass(stock, BaseTrainer):
        raise SpecError(f"trainer: must be a trainer class of Ultralytics, or a subclass, got {stock!r}")
    if hasattr(stock, "dropout_plan"):
        raise SpecError(f"trainer: {stock.__name__} has its dropout already; give the class that it was made of")
    more = (*((ByLoss,) if by_loss else ()), *((ActingDropout,) if plan.rate > 0 else ()))
    ours = (LeanCheckpoints if lean else SafeCheckpoints, *more)
    return type(f"Dropout{stock.__name__}", (*ours, stock), {"dropout_plan": plan, "on_epoch": _Local(on_epoch)})


class _Local:
    """A callable that stays in this process: a copy sent to another one does nothing."""

    def __init__(self, call: Callable[[dict[str, float]], None] | None = None) -> None:
        self._call = call

    def __call__(self, row: dict[str, float]) -> None:
        if self._call is not None:
            self._call(row)

    def __reduce__(self) -> tuple[type[_Local], tuple[()]]:
        return _Local, ()


class ByLoss(BaseTrainer):  # type: ignore[misc]
    """Mixin before an Ultralytics trainer: `best.pt` and `patience` follow the sum of the validation losses."""

    def validate(self) -> Any:
        """Validate, and take the loss below zero for the fitness, which is never below zero otherwise."""
        measure = self.validator

        def by_loss(trainer: Any) -> Any:
            if (values := measure(trainer)) is None:  # on all ranks but the first
                return None
            loss = sum(value for name, value in values.items() if name.startswith("val/"))
            return {**values, "fitness": -loss if isfinite(loss) else -_NO_LOSS}

        with patch.object(self, "validator", by_loss):
            return super().validate()


class ActingDropout(BaseTrainer):  # type: ignore[misc]
    """Mixin before an Ultralytics trainer: puts dropout into the model and sets its rate every epoch."""

    dropout_plan: Dropout
    dropout_sites: tuple[Site, ...] = ()

    def __init__(self, *args: Any, **more: Any) -> None:
        takes = signature(super().__init__).parameters  # a class of somebody's may take no `cfg`, or more
        places = [name for name, one in takes.items() if one.kind is one.POSITIONAL_OR_KEYWORD]
        stock = len(args) if "overrides" in takes else 1  # where a class passes on whatever it is given
        place = places.index("overrides") if "overrides" in places else stock
        there, rate = len(args) > place, self.dropout_plan.rate
        overrides = (args[place] if there else more.pop("overrides", None)) or {}
        if (asked := overrides.get("dropout")) not in (None, 0, rate):
            raise SpecError(f"dropout: acts here at {rate:g}, got dropout={asked} as well; leave that out")
        given = {**overrides, "dropout": rate}
        if there:
            super().__init__(*args[:place], given, *args[place + 1 :], **more)
        else:
            super().__init__(*args, overrides=given, **more)

    def get_model(self, *args: Any, **kwargs: Any) -> Any:
        """Build the model; Ultralytics sets a classifier's own dropout here, also where ours shall act elsewhere."""
        plan = self.dropout_plan
        there = plan.where == "head" and plan.kind in ("auto", "dropout")
        with patch.object(self.args, "dropout", self.args.dropout if there else 0.0):
            return super().get_model(*args, **kwargs)

    def setup_model(self) -> Any:
        """Load the model in every way that Ultralytics knows, then put dropout in, before compile, DDP and EMA."""
        checkpoint = super().setup_model()
        net, plan = network(unwrap_model(self.model)), self.dropout_plan
        plan.check_epochs(self.epochs, compiled=bool(self.args.compile))
        self.dropout_sites = apply_dropout(net, plan.rate, plan.where, plan.kind)
        self.mask_stream = MaskStream(self.args.seed)
        earlier = (record.read_record(self.save_dir) or {}) if self.resume else {}
        applied = {"sites": list(live_rates(net, self.dropout_sites)), "rates": earlier.get("rates", [])}
        self.dropout_record = {**asdict(plan), **applied, **measure(net, self.dropout_sites)}
        LOGGER.info(f"dropout {plan.rate:g} acts at {len(self.dropout_sites)} sites")
        return checkpoint

    def run_callbacks(self, event: str) -> None:
        """Set an epoch's rate before the callbacks of its start, and on a CPU draw masks from their own stream."""
        if event == "on_train_epoch_start":
            self._set_rate()
        if event in ("on_train_batch_end", "on_train_epoch_start", "on_train_epoch_end"):
            self.mask_stream.leave()  # without the first of them where a step broke off
        super().run_callbacks(event)
        if event == "on_train_batch_start" and self.device.type == "cpu":
            self.mask_stream.enter()

    def save_model(self) -> Any:
        """Save a stock model: the EMA is in evaluation mode, where dropout does nothing."""
        strip_dropout(self.ema.ema)
        return super().save_model()

    def _set_rate(self) -> None:
        net = network(unwrap_model(self.model))
        set_rate(net, self.dropout_sites, self.dropout_plan.rate_at(self.epoch, self.epochs))
        rate = max(live_rates(net, self.dropout_sites).values())
        self.dropout_record["rates"] = [*self.dropout_record["rates"][: self.epoch], rate]
        if RANK in {-1, 0}:  # as checkpoints are: to wait for the disk in every epoch would cost more than it saves
            content = json.dumps(self.dropout_record, indent=1) + "\n"
            AtomicPath(self.save_dir / record.NAME).write_bytes(content.encode())

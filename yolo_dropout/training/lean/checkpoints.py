"""A training with the same numbers and less beside them: checkpoints held in memory, images made once.

Ultralytics' own `save_model` and `strip_optimizer` make every checkpoint, so that what is in it stays theirs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from copy import copy, deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from ultralytics.engine import trainer
from ultralytics.nn import tasks
from ultralytics.utils import RANK, downloads, torch_utils

from yolo_dropout.base.platform import patiently
from yolo_dropout.training.checkpoints import AtomicPath, SafeCheckpoints
from yolo_dropout.training.lean import classes
from yolo_dropout.training.lean.images import BUDGET, made_once
from yolo_dropout.training.lean.snapshot import Snapshot


@contextmanager
def amp_check_without_download() -> Iterator[None]:
    """Let the AMP check of a CUDA training find itself offline where its model file is missing.

    The check loads yolo26n.pt, and would wait for its download for minutes where a network drops packets. Offline it
    is skipped, and AMP stays as asked for. Other downloads of a training, of pretrained weights for instance, go on.
    """
    from ultralytics.utils import WEIGHTS_DIR  # as it is now

    check, offline = trainer.check_amp, ConnectionError("no download during the AMP check")

    def check_offline(model: Any) -> Any:
        here = (WEIGHTS_DIR / "yolo26n.pt").is_file()
        with nullcontext() if here else patch.object(downloads, "safe_download", side_effect=offline):
            return check(model)

    with patch.object(trainer, "check_amp", check_offline):
        yield


@contextmanager
def not_read_again(yolo: Any) -> Iterator[None]:
    """Hand Ultralytics the best checkpoint of a lean training, which it would read as soon as it is written."""
    read = tasks.torch_safe_load

    def load(file: Any, *args: Any, **kwargs: Any) -> Any:
        content = getattr(yolo.trainer, "best_content", None)
        return (content, file) if content and file == yolo.trainer.best else read(file, *args, **kwargs)

    with patch.object(tasks, "torch_safe_load", load):
        yield


class LeanCheckpoints(SafeCheckpoints):
    """Mixin before an Ultralytics trainer: checkpoints in memory, written once a minute and at the end.

    In multi-GPU training files are written as Ultralytics does: its ranks meet at them.
    """

    write_every_s = 60.0  # what a training that is killed loses at most

    on_epoch: Any
    best_content: dict[str, Any] | None = None
    _held_last: Snapshot | None = None
    _held_best: Snapshot | None = None
    _classes_of_best = ""
    _written_at: float | None = None

    def _do_train(self) -> None:
        # Each worker of a data loader has images of its own, and validation has twice as many of them as training.
        with made_once(BUDGET // (3 * self.args.workers or 1)):
            super()._do_train()

    def _build_train_pipeline(self) -> None:
        """Ultralytics goes on with half the batch where a GPU's memory runs out early: that is another training."""
        if getattr(self, "_oom_retries", 0):
            raise RuntimeError(f"out of memory in the first epoch with batch={self.batch_size * 2}")
        super()._build_train_pipeline()

    def _setup_train(self) -> None:
        with amp_check_without_download():
            super()._setup_train()

    def get_model(self, *args: Any, **kwargs: Any) -> Any:
        """Build the model without its table of layers in the log: counting its operations takes a while."""
        with patch.object(tasks.BaseModel, "info", lambda *_, **__: None):  # classifiers do not ask whether to
            return super().get_model(*args, **{**kwargs, "verbose": False})

    def save_metrics(self, metrics: dict[str, float]) -> None:
        """Write the epoch's row, and tell it."""
        super().save_metrics(metrics)
        self.on_epoch({"epoch": self.epoch + 1, **metrics})

    def save_model(self) -> bool:
        """Hold the epoch's state, and write it where it is due."""
        if RANK != -1:
            return bool(super().save_model())
        now = time.monotonic()
        self._written_at = now if self._written_at is None else self._written_at
        is_best = self.best_fitness == self.fitness
        spare = self._held_last if is_best or self._held_last is not self._held_best else None
        held = Snapshot.of(self, spare)
        kept = held if held.finite else None  # Ultralytics repairs such an EMA as it saves it: let it
        self._held_last, self._held_best = kept, kept if is_best else self._held_best
        self._classes_of_best = classes.by_class(self.validator) if is_best else self._classes_of_best
        if kept is None or (self.save_period > 0 and self.epoch % self.save_period == 0):
            self._write_classes()
            return bool(super().save_model())
        if now - self._written_at >= self.write_every_s:
            self._write()
        return True

    def final_eval(self) -> None:
        """Write the final checkpoints; evaluate the best one again only where plots are asked for, or more is done."""
        # A depth model is calibrated there, on what is written; World's evaluates on other data.
        more = super(SafeCheckpoints, self).final_eval.__func__ is not trainer.BaseTrainer.final_eval
        if self.args.plots or more or self._held_last is None:
            self._write()
            super().final_eval()
        else:
            self._write_final(self._held_last, self._held_best)

    def _handle_nan_recovery(self, epoch: int) -> bool:
        """Ultralytics goes back to the file of the epoch before: have it there."""
        values = (self.loss, self.fitness)
        if not all(v is None or bool(torch.isfinite(torch.as_tensor(v)).all()) for v in values):
            self._write()
        return bool(super()._handle_nan_recovery(epoch))

    def _write(self) -> None:
        for held, name in ((self._held_last, self.last), (self._held_best, self.best)):
            if held is not None:
                name.write_bytes(self._serialized(held, deepcopy(self.ema.ema)))
        self._write_classes()
        self._written_at = time.monotonic()

    def _write_classes(self) -> None:
        if self._classes_of_best:
            AtomicPath(self.save_dir / classes.NAME).write_bytes(self._classes_of_best.encode())

    def _write_final(self, last: Snapshot, best: Snapshot | None) -> None:
        self._write_classes()
        ema = self.ema.ema  # training has ended: it may be stripped itself, as the last of what is written
        content = self._strip(last, ema if best is last else deepcopy(ema), self.last, {})
        results = {"train_results": content.get("train_results")}
        if best is last:
            self.best.write_bytes(self.last.read_bytes())
        elif best is not None:
            content = self._strip(best, ema, self.best, results)
        elif self.best.exists():
            torch_utils.strip_optimizer(self.best, updates=results)
            return
        self.best_content = content

    def _strip(self, held: Snapshot, ema: nn.Module, name: Path, updates: dict[str, Any]) -> dict[str, Any]:
        """Write a held state as a final checkpoint; `ema` is used up. Returns what was written."""
        bare = replace(held, optimizer={"state": {}, "param_groups": []})
        kept: list[dict[str, Any]] = []
        # The checkpoint passes from one to the other as it is: to copy, write and read it takes most of the time.
        with (
            patch.object(torch, "save", lambda content, _: kept.append(content)),
            patch.object(trainer, "deepcopy", lambda content: content),
        ):
            self._serialized(bare, ema.cpu())  # where Ultralytics would have read it to
        with patch.object(torch_utils, "torch_load", lambda *_, **__: kept[0]):
            content: dict[str, Any] = torch_utils.strip_optimizer(name, f"{name}.tmp", updates)
        patiently(Path(f"{name}.tmp").replace, name)
        return content

    def _serialized(self, held: Snapshot, ema: nn.Module) -> bytes:
        """A held state as a checkpoint, made by Ultralytics' own `save_model` on a copy of this trainer.

        `ema` is a copy of the live one, which takes the held weights.
        """
        twin, written = copy(self), list[bytes]()
        held.put_into(twin, ema)
        # As much of a path as `save_model` needs.
        twin.wdir = twin.last = twin.best = SimpleNamespace(mkdir=lambda **_: None, write_bytes=written.append)
        twin.save_period = -1
        super(LeanCheckpoints, twin).save_model()
        return written[-1]

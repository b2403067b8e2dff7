"""Checkpoints of every training: Ultralytics' own, and never half a file.

Its `save_model` and `strip_optimizer` make every file, so that what is in it stays theirs.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ultralytics.engine.trainer import BaseTrainer
from ultralytics.utils import RANK

from yolo_dropout.base.platform import patiently
from yolo_dropout.training import record


class AtomicPath(type(Path())):  # type: ignore[misc]
    """A path that writes beside its file and then renames: a reader, or a kill, never meets half of one."""

    def write_bytes(self, data: bytes) -> int:
        """Write the whole file, or leave the old one."""
        aside = Path(f"{self}.tmp")
        written = aside.write_bytes(data)
        patiently(aside.replace, self)
        return written


class SafeCheckpoints(BaseTrainer):  # type: ignore[misc]
    """Mixin before an Ultralytics trainer: its checkpoints, but never half a file."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.resume and RANK in {-1, 0}:  # an earlier training's record: this one may be the control
            (self.save_dir / record.NAME).unlink(missing_ok=True)
        self.wdir: Any = AtomicPath(self.save_dir / "weights")
        self.last, self.best = self.wdir / "last.pt", self.wdir / "best.pt"

    def final_eval(self) -> None:
        """Strip and evaluate copies, then put them in place: stripping writes a file step by step."""
        if RANK != -1:  # the other ranks look for the files by their names
            super().final_eval()
            return
        names = self.last, self.best
        last, best = (_copied_aside(name) for name in names)
        with patch.multiple(self, last=last, best=best):
            super().final_eval()
            for aside, name in zip((last, best), names, strict=True):
                if aside.exists():
                    patiently(aside.replace, name)


def _copied_aside(file: Path) -> Path:
    aside = file.with_name(f"tmp-{file.name}")  # not `last*.pt`, which resume=True would look for
    if file.exists():
        shutil.copyfile(file, aside)
    return aside

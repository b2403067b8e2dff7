"""One line per run that has ended, for logs and pipes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console

from yolo_dropout.executors import Ended, EpochDone, Event
from yolo_dropout.plan import Run
from yolo_dropout.progress.words import ending_words, seeds_added, val_loss
from yolo_dropout.records import RunRecord


class LineView:
    """One line per run that has ended, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = self._ended = 0
        self._lowest: dict[Run, float] = {}

    def __enter__(self) -> LineView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    def plan(self, todo: Sequence[Run], done: Sequence[RunRecord]) -> None:
        """Say what is to do."""
        added = f": {seeds_added(todo)}" if self._total else ""
        self._total, self._ended = len(todo) + len(done), len(done)
        self._print(f"{len(todo)} of {self._total} runs to do{added}")

    def show(self, event: Event) -> None:
        """Print a line when a run has ended."""
        if isinstance(event, EpochDone):
            # A training that goes on from a checkpoint has had epochs that nobody tells here.
            start = math.inf if event.values.get("epoch") == 1 else self._lowest.get(event.run, math.nan)
            loss = val_loss(event.values)
            self._lowest[event.run] = loss if loss < start else start
        elif isinstance(event, Ended):
            self._ended += 1
            lowest = self._lowest.get(event.run, math.nan)
            self._print(f"[{self._ended}/{self._total}] {ending_words(event, lowest)}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

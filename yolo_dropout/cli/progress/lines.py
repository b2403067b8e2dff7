"""One line per run that has ended, for logs and pipes; and what the live view says in the same words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import TracebackType

from rich.console import Console

from yolo_dropout.base.text import printable
from yolo_dropout.executors import Ended, EpochDone, Event
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.spec.runs import Run


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
        before, self._total, self._ended = self._total, len(todo) + len(done), len(done)
        added = f": {seeds_added(todo)}" if 0 < before < self._total else ""
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


def val_loss(values: Mapping[str, float]) -> float:
    """The validation loss of one row of `results.csv`: the sum of its `val/` columns."""
    losses = [value for name, value in values.items() if name.startswith("val/")]
    return sum(losses) if losses else math.nan


def seeds_added(todo: Sequence[Run]) -> str:
    """What a look at the scores has led to; rates that are not among these have been dropped."""
    seeds = ", ".join(str(seed) for seed in sorted({run.seed for run in todo}))
    rates = ", ".join(f"{rate:g}" for rate in sorted({run.rate for run in todo}))
    return f"not clear yet, so seed {seeds} is added for rates {rates}"


def ending_words(event: Ended, lowest: float) -> str:
    """How a run ended, and its lowest validation loss where that is known."""
    record = event.record
    name = f"rate {event.run.rate:g} {event.run.block}"
    if not record.finished:
        return f"{name}: failed, {printable(record.error or 'no reason known')}"
    told = f", lowest val loss {lowest:.4g}" if math.isfinite(lowest) else ""
    return f"{name}: finished in {record.seconds or 0:.0f} s{told}"

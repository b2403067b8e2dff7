"""What a person sees while a study runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from yolo_dropout.executors import Ended, EpochDone, Event, Started
from yolo_dropout.output import printable
from yolo_dropout.plan import Run
from yolo_dropout.records import RunRecord

Done = Sequence[RunRecord]


class View(Protocol):
    """Shows a running study; a context manager."""

    def __enter__(self) -> View:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the screen tidy."""

    def plan(self, todo: Sequence[Run], done: Done) -> None:
        """Take in what is to do and what has been done; again, when seeds are added."""

    def show(self, event: Event) -> None:
        """Take in what has happened to a run."""


def view(console: Console, epochs: int) -> View:
    """The view that suits the console.

    Args:
        console: Where to show.
        epochs: Epochs per run, as planned.
    """
    return LiveView(console, epochs) if console.is_terminal else LineView(console)


def val_loss(values: Mapping[str, float]) -> float:
    """The validation loss of one row of `results.csv`: the sum of its `val/` columns."""
    losses = [value for name, value in values.items() if name.startswith("val/")]
    return sum(losses) if losses else math.nan


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

    def plan(self, todo: Sequence[Run], done: Done) -> None:
        """Say what is to do."""
        added = f": {_seeds_added(todo)}" if self._total else ""
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
            self._print(f"[{self._ended}/{self._total}] {_ending(event, lowest)}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _seeds_added(todo: Sequence[Run]) -> str:
    """What a look at the scores has led to; rates that are not among these have been dropped."""
    seeds = ", ".join(str(seed) for seed in sorted({run.seed for run in todo}))
    rates = ", ".join(f"{rate:g}" for rate in sorted({run.rate for run in todo}))
    return f"not clear yet, so seed {seeds} is added for rates {rates}"


def _ending(event: Ended, lowest: float) -> str:
    record = event.record
    name = f"rate {event.run.rate:g} {event.run.block}"
    if not record.finished:
        return f"{name}: failed, {printable(record.error or 'no reason known')}"
    told = f", lowest val loss {lowest:.4g}" if math.isfinite(lowest) else ""
    return f"{name}: finished in {record.seconds or 0:.0f} s{told}"


class LiveView:
    """A bar for the study, and a row per running training with its epoch and latest validation loss."""

    def __init__(self, console: Console, epochs: int) -> None:
        self._epochs = max(1, epochs)
        self._ended = self._total = self._failed = 0
        self._rows: dict[Run, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[count]}", justify="right"),
            TextColumn("{task.fields[note]}"),
            _TimeLeft(),
            console=console,
        )
        self._study = self._progress.add_task("[bold]study", total=None, count="", note="preparing")

    def __enter__(self) -> LiveView:
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for row in self._rows.values():
            self._progress.remove_task(row)
        self._progress.__exit__(kind, error, trace)

    def plan(self, todo: Sequence[Run], done: Done) -> None:
        """Set up the study's bar; it counts epochs, so that it moves steadily."""
        if self._total:
            self._progress.console.print(_seeds_added(todo), highlight=False)
        self._total, self._ended = len(todo) + len(done), len(done)
        self._failed = sum(not record.finished for record in done)
        # Only what is to do enters the bar: what was done before says nothing about the time left.
        self._progress.reset(self._study, total=len(todo) * self._epochs)
        self._tell_study()

    def show(self, event: Event) -> None:
        """Move the bars."""
        if isinstance(event, Started):
            self._take_back(event.run)
            self._rows[event.run] = self._progress.add_task(
                f"rate {event.run.rate:<4g} {event.run.block}",
                total=self._epochs,
                count=f"0/{self._epochs}",
                note="starting",
            )
        elif isinstance(event, EpochDone):
            self._show_epoch(event)
        else:
            self._show_end(event)

    def _take_back(self, run: Run) -> None:
        """A run that starts over, because its node was lost, has not done its epochs."""
        if run in self._rows:
            row = self._rows.pop(run)
            seen = next(task.completed for task in self._progress.tasks if task.id == row)
            self._progress.advance(self._study, -seen)
            self._progress.remove_task(row)

    def _show_epoch(self, event: EpochDone) -> None:
        epoch = int(event.values.get("epoch", 0))
        self._progress.update(
            self._rows[event.run],
            completed=epoch,
            count=f"{epoch}/{self._epochs}",
            note=f"val loss {val_loss(event.values):.4g}",
        )
        self._progress.advance(self._study)

    def _show_end(self, event: Ended) -> None:
        row = self._rows.pop(event.run)
        seen = next(task.completed for task in self._progress.tasks if task.id == row)
        self._progress.advance(self._study, max(0.0, self._epochs - seen))
        self._progress.remove_task(row)
        self._ended += 1
        if not event.record.finished:
            self._failed += 1
            self._progress.console.print(escape(_ending(event, math.nan)), highlight=False)
        self._tell_study()

    def _tell_study(self) -> None:
        failed = f"[red]{self._failed} failed" if self._failed else ""
        self._progress.update(self._study, count=f"{self._ended}/{self._total} runs", note=failed)


class _TimeLeft(ProgressColumn):
    """Time left of the study; the rows of single runs do without."""

    def __init__(self) -> None:
        super().__init__()
        self._column = TimeRemainingColumn()

    def render(self, task: Task) -> Text:
        """The time left as h:mm:ss."""
        if task.id != 0 or task.total is None:
            return Text("")
        return Text("time left ") + self._column.render(task)

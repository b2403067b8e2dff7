"""A live display: a bar for the study, and a row for every training that runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from yolo_dropout.cli.progress.lines import ending_words, seeds_added, val_loss
from yolo_dropout.executors import Ended, EpochDone, Event, Started
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.spec.runs import Run


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

    def __rich__(self) -> RenderableType:
        return self._progress.get_renderable()

    def plan(self, todo: Sequence[Run], done: Sequence[RunRecord]) -> None:
        """Set up the study's bar; it counts epochs, so that it moves steadily."""
        if 0 < self._total < len(todo) + len(done):
            self._progress.console.print(seeds_added(todo), highlight=False)
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
            self._progress.advance(self._study, -self._epochs_of(run))
            self._progress.remove_task(self._rows.pop(run))

    def _show_epoch(self, event: EpochDone) -> None:
        epoch = int(event.values.get("epoch", 0))
        # More than one where a training goes on from its checkpoint.
        self._progress.advance(self._study, epoch - self._epochs_of(event.run))
        self._progress.update(
            self._rows[event.run],
            completed=epoch,
            count=f"{epoch}/{self._epochs}",
            note=f"val loss {val_loss(event.values):.4g}",
        )

    def _show_end(self, event: Ended) -> None:
        self._progress.advance(self._study, max(0.0, self._epochs - self._epochs_of(event.run)))
        self._progress.remove_task(self._rows.pop(event.run))
        self._ended += 1
        if not event.record.finished:
            self._failed += 1
            self._progress.console.print(escape(ending_words(event, math.nan)), highlight=False)
        self._tell_study()

    def _epochs_of(self, run: Run) -> float:
        """How many epochs of a run are shown as done."""
        return next(task.completed for task in self._progress.tasks if task.id == self._rows[run])

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

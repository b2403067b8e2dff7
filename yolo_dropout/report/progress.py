"""What a person sees while a study runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from yolo_dropout.base.text import named, noun, printable
from yolo_dropout.executors import Ended, EpochDone, Event, Started, View
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.spec.runs import Run


def view(console: Console, epochs: int, stopped: Callable[[], bool] = lambda: False) -> LineView | LiveView:
    """The view that suits the console; `stopped` tells whether somebody has asked to stop."""
    return LiveView(console, epochs, stopped) if console.is_terminal else LineView(console, stopped)


class _ConsoleView(View):
    """What both views do; a context manager that leaves the screen tidy."""

    def __init__(self, console: Console, stopped: Callable[[], bool] = lambda: False) -> None:
        self.console, self._stopped = console, stopped
        self._ended = self._total = 0

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_error: object) -> None:
        return

    def note(self, line: str) -> None:
        """Print it."""
        self.console.print(escape(printable(line)), style="yellow", highlight=False, soft_wrap=True)

    def stopped(self) -> bool:
        """Whether somebody has asked to stop."""
        return self._stopped()

    def _added(self, todo: Sequence[Run], done: Sequence[RunRecord]) -> str:
        """Take in the plan; what a look at the scores has added to it, without what was dropped."""
        before, self._total, self._ended = self._total, len(todo) + len(done), len(done)
        seeds = ", ".join(str(seed) for seed in sorted({run.seed for run in todo}))
        names = list(dict.fromkeys(run.treatment for run in todo))
        told = f"{noun(names)}s {', '.join(names)}"
        return f"not clear yet, so seed {seeds} is added for {told}" if 0 < before < self._total else ""


class LineView(_ConsoleView):
    """One line per run that has ended, for logs and pipes."""

    def __init__(self, console: Console, stopped: Callable[[], bool] = lambda: False) -> None:
        super().__init__(console, stopped)
        self._lowest: dict[Run, float] = {}

    def plan(self, todo: Sequence[Run], done: Sequence[RunRecord]) -> None:
        """Say what is to do."""
        added = self._added(todo, done)
        self._print(f"{len(todo)} of {self._total} runs to do{f': {added}' if added else ''}")

    def event(self, event: Event) -> None:
        """Print a line when a run has ended."""
        if isinstance(event, EpochDone):
            # A training that goes on from a checkpoint has had epochs that nobody tells here.
            start = math.inf if event.values.get("epoch") == 1 else self._lowest.get(event.run, math.nan)
            loss = _val_loss(event.values)
            self._lowest[event.run] = loss if loss < start else start
        elif isinstance(event, Ended):
            self._ended += 1
            lowest = self._lowest.get(event.run, math.nan)
            self._print(f"[{self._ended}/{self._total}] {_ending(event, lowest)}")

    def _print(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveView(_ConsoleView):
    """A bar for the study, and a row per running training with its epoch and latest validation loss."""

    def __init__(self, console: Console, epochs: int, stopped: Callable[[], bool] = lambda: False) -> None:
        super().__init__(console, stopped)
        self._epochs, self._failed = max(1, epochs), 0
        self._rows: dict[Run, TaskID] = {}
        self._done: dict[Run, int] = {}
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

    def __exit__(self, *error: Any) -> None:
        for row in self._rows.values():
            self._progress.remove_task(row)
        self._progress.__exit__(*error)

    def __rich__(self) -> RenderableType:
        return self._progress.get_renderable()

    def plan(self, todo: Sequence[Run], done: Sequence[RunRecord]) -> None:
        """Set up the study's bar; it counts epochs, so that it moves steadily."""
        if added := self._added(todo, done):
            self.console.print(added, highlight=False)
        self._failed, self._done = sum(not record.finished for record in done), {}
        # Only what is to do enters the bar: what was done before says nothing about the time left.
        self._progress.reset(self._study, total=len(todo) * self._epochs)
        self._tell_study()

    def event(self, event: Event) -> None:
        """Move the bars."""
        run = event.run
        if isinstance(event, Started):
            if run in self._rows:  # it starts over, because its node was lost, and so has not done its epochs
                self._progress.remove_task(self._rows[run])
            self._done[run] = 0
            name, count = f"{named(run.treatment):<9} {run.block}", f"0/{self._epochs}"
            self._rows[run] = self._progress.add_task(name, total=self._epochs, count=count, note="starting")
        elif isinstance(event, EpochDone):
            epoch, note = int(event.values.get("epoch", 0)), f"val loss {_val_loss(event.values):.4g}"
            self._done[run] = epoch
            self._progress.update(self._rows[run], completed=epoch, count=f"{epoch}/{self._epochs}", note=note)
        else:
            self._progress.remove_task(self._rows.pop(run))
            self._done[run] = self._epochs
            self._ended += 1
            if not event.record.finished:
                self._failed += 1
                self.console.print(escape(_ending(event, math.nan)), highlight=False)
        self._tell_study()

    def _tell_study(self) -> None:
        failed, count = f"[red]{self._failed} failed" if self._failed else "", f"{self._ended}/{self._total} runs"
        self._progress.update(self._study, completed=sum(self._done.values()), count=count, note=failed)


class _TimeLeft(TimeRemainingColumn):
    """Time left of the study; the rows of single runs do without."""

    def render(self, task: Task) -> Text:
        """The time left as h:mm:ss."""
        return Text("") if task.id != 0 or task.total is None else Text("time left ") + super().render(task)


def _val_loss(values: Mapping[str, float]) -> float:
    """The validation loss of one row of `results.csv`: the sum of its `val/` columns."""
    losses = [value for name, value in values.items() if name.startswith("val/")]
    return sum(losses) if losses else math.nan


def _ending(event: Ended, lowest: float) -> str:
    """How a run ended, and its lowest validation loss where that is known."""
    record = event.record
    name = str(event.run)
    if not record.finished:
        return f"{name}: failed, {printable(record.error or 'no reason known')}"
    told = f", lowest val loss {lowest:.4g}" if math.isfinite(lowest) else ""
    return f"{name}: finished in {record.seconds or 0:.0f} s{told}"

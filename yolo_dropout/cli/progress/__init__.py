"""What a person sees while a study runs: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console

from yolo_dropout.cli.progress.lines import LineView
from yolo_dropout.cli.progress.live import LiveView
from yolo_dropout.executors import Event
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.spec.runs import Run


class View(Protocol):
    """Shows a running study; a context manager."""

    def __enter__(self) -> View:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the screen tidy."""

    def plan(self, todo: Sequence[Run], done: Sequence[RunRecord]) -> None:
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

"""Ctrl-C once: no further run starts, and those that train finish. Twice, or SIGTERM: stop now."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from rich.console import Console


class Interrupts:
    """While entered, takes SIGINT and SIGTERM; `asked` says whether either has come."""

    def __init__(self, console: Console) -> None:
        self.asked, self._console = False, console
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        mine = {signal.SIGINT: self._interrupt, signal.SIGTERM: self._terminate}
        self._before = {number: signal.signal(number, handler) for number, handler in mine.items()}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._console.print("stopping: running trainings finish first; Ctrl-C again stops them now", highlight=False)

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        # A cluster that sends SIGTERM kills some seconds later: there is no time to finish trainings.
        self.asked = True
        raise KeyboardInterrupt

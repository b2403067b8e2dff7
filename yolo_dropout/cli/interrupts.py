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
        self._ends = False

    def __enter__(self) -> Interrupts:
        mine = {signal.SIGINT: self._interrupt, signal.SIGTERM: self._terminate}
        self._before = {number: signal.signal(number, handler) for number, handler in mine.items()}
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            # Who has sent SIGTERM may send it again, until this process has ended.
            signal.signal(number, signal.SIG_IGN if self._ends and number == signal.SIGTERM else handler)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            self._stop()
        self.asked = True
        self._console.print("stopping: running trainings finish first; Ctrl-C again stops them now", highlight=False)

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        # A cluster that sends SIGTERM kills some seconds later: there is no time to finish trainings.
        self.asked = True
        self._stop()

    def _stop(self) -> None:
        """Stop now, once: what comes while this process tidies up tells nothing new."""
        self._ends = True
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

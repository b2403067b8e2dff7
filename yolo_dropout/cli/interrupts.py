"""Ctrl-C once: no further run starts, and those that train finish. Twice, or SIGTERM: stop now."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

from rich.console import Console


class Interrupts:
    """While entered, takes SIGINT and SIGTERM; `asked` says whether either has come."""

    def __init__(self, console: Console) -> None:
        self.asked = False
        self._console = console
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self._before = {
            signal.SIGINT: signal.signal(signal.SIGINT, self._interrupt),
            signal.SIGTERM: signal.signal(signal.SIGTERM, self._terminate),
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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

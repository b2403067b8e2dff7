"""What a command tells the shell: an exit code, and text that may go nowhere while the work goes on."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

FINISHED, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


@contextlib.contextmanager
def unbreakable_output() -> Iterator[None]:
    """Write to standard output and error as long as that is possible, and after that nowhere: the study goes on."""
    with contextlib.ExitStack() as stack:
        if sys.stderr is not None:  # None where it was closed by who has started us
            stack.enter_context(contextlib.redirect_stderr(_Unbreakable(sys.stderr)))
        if sys.stdout is not None:
            stack.enter_context(contextlib.redirect_stdout(_Unbreakable(sys.stdout)))
            stack.callback(sys.stdout.flush)
        yield


class _Unbreakable:
    """A stream that passes all on to another, until that cannot be written."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._giving_up():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._giving_up():
            self._stream.flush()

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # also for what is still in a buffer
            os.close(nowhere)
            if not isinstance(error, BrokenPipeError):
                print(f"yolo-dropout: output: cannot be written ({error.strerror}); going on without", file=sys.stderr)

"""What a command tells the shell: an exit code, and text that may go nowhere while the work goes on."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

FINISHED, SOME_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def settle() -> None:
    """Make up for what the surroundings lack or spoil, before anything is opened, imported or printed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # a stream was closed, whose place a file would take
        os.set_inheritable(descriptor, True)
    sys.stdout, sys.stderr = (stream or os.fdopen(os.dup(descriptor), "w") for stream in (sys.stdout, sys.stderr))
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows another, and no traceback
    os.environ["MPLBACKEND"] = "agg"  # no picture of ours needs a window, and an unknown name ends matplotlib's import
    os.environ.pop("SOURCE_DATE_EPOCH", None)  # no file of ours is dated, and a word there ends numpy's import
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # its settings are not used: see `report.figures.style`


@contextlib.contextmanager
def unbreakable_output() -> Iterator[None]:
    """Write to standard output and error as long as that is possible, and after that nowhere: the study goes on."""
    with contextlib.redirect_stderr(_Unbreakable(sys.stderr)), contextlib.redirect_stdout(_Unbreakable(sys.stdout)):
        try:
            yield
        finally:
            sys.stdout.flush()


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

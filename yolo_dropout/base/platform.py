"""What Windows and macOS do differently from Linux: all of it is here.

Where code asks for the platform with `sys.platform`, `mypy --platform win32` checks what Windows would run.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_all_start_methods, resource_tracker
from typing import IO, Any, TypeVar

if sys.platform == "win32":
    import ctypes
    import io
    import logging
    import msvcrt

    def _locking(file: IO[str], how: int, place: int, length: int) -> None:
        os.lseek(file.fileno(), place, os.SEEK_SET)
        msvcrt.locking(file.fileno(), how, length)

else:
    import fcntl

T = TypeVar("T")
INTERRUPTS = {signal.SIGINT, signal.SIGTERM}
# Windows waits for at most 63 things at once, and a process that trains is two: what it tells, and its end.
MOST_PROCESSES = 30 if sys.platform == "win32" else sys.maxsize
# A virus scanner, or somebody who reads, may hold a file open for a moment, and Windows neither moves nor removes it.
_PATIENCE_S = 2.0 if sys.platform == "win32" else 0.0
# Bytes that locks on Windows are about, none of which needs to be there.
_BYTES = 2**31 - 1
_ALL = (0, _BYTES)


def start_method() -> str:
    """How processes start: from a preloaded fork server, but on Windows, which has none, and on macOS.

    There the libraries that torch loads do not survive a fork.
    """
    return "forkserver" if "forkserver" in get_all_start_methods() and sys.platform != "darwin" else "spawn"


def patiently(action: Callable[..., T], *arguments: Any) -> T:
    """Do something with a file that another process may hold open, which Windows refuses meanwhile."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return action(*arguments)
        except PermissionError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.05)


def lock(file: IO[str], *, alone: bool, wait: bool = True) -> None:
    """Lock an open file, with all who do not want it alone or alone, until it is closed or locked otherwise.

    Raises:
        BlockingIOError: Others have it, and this shall not wait for them.
    """
    if sys.platform == "win32":
        # Its locks are not shared: whoever shares takes a byte of his own, and who wants the file alone takes all.
        own = (((os.getpid() << 12) + file.fileno()) % _BYTES, 1)
        for part in (_ALL, own):
            with contextlib.suppress(OSError):  # that is not what it has
                _locking(file, msvcrt.LK_UNLCK, *part)
        while True:
            try:
                return _locking(file, msvcrt.LK_NBLCK, *(_ALL if alone else own))
            except OSError as error:
                if not wait:
                    raise BlockingIOError(*error.args) from error
            time.sleep(0.02)
    else:
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))


def lead_group() -> None:
    """Have what this process will start be ended with it, by `end_group`."""
    if sys.platform != "win32":
        os.setpgid(0, 0)


def end_group(pid: int) -> None:
    """End what a process has started, and where it leads a group, itself."""
    if sys.platform == "win32":
        import psutil

        with contextlib.suppress(psutil.Error):
            for process in psutil.Process(pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


@contextlib.contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Block Ctrl-C and SIGTERM while a process starts; the fork server, or a plain process, inherits that.

    Ctrl-C reaches every process of a terminal, and SIGTERM every process of a cluster's job; the parent alone
    decides what they mean, and takes its workers along.
    """
    if sys.platform == "win32":
        ignore_ctrl_c = ctypes.windll.kernel32.SetConsoleCtrlHandler
        ignore_ctrl_c(None, True)
        try:
            yield
        finally:
            ignore_ctrl_c(None, False)
    else:
        # Python starts its resource tracker with the first process, and lets the signals through again as it does.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_through(numbers: set[signal.Signals] | None = None) -> None:
    """Let signals through that whoever started this process may have blocked; by default that a child has ended."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD} if numbers is None else numbers)


def renew_output() -> None:
    """Have `sys.stdout` and `sys.stderr` write where the descriptors 1 and 2 now lead.

    On Windows a stream that was opened for a console can write to nothing else; loggers may hold it too.
    """
    if sys.platform == "win32":
        for name, descriptor in (("stdout", 1), ("stderr", 2)):
            before = getattr(sys, name)
            raw = io.FileIO(descriptor, "w", closefd=False)
            now = io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "replace", line_buffering=True)
            setattr(sys, name, now)
            for logger in (logging.root, *map(logging.getLogger, list(logging.root.manager.loggerDict))):
                for handler in logger.handlers:
                    if isinstance(handler, logging.StreamHandler) and handler.stream is before:
                        handler.setStream(now)


def command_line(words: Sequence[str]) -> str:
    """Words as they are typed into a shell of this platform."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)

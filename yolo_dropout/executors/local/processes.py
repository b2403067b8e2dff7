"""Processes that train: started from a fork server, ended with their parent, deaf to interrupts."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import gettempdir
from typing import Any, NoReturn

from yolo_dropout.base import platform
from yolo_dropout.base.files import working_folder
from yolo_dropout.base.text import cut
from yolo_dropout.errors import WorkerError
from yolo_dropout.executors import PRELOAD

# What tells a new Python where to look for modules, and not to look into the working directory first.
_SEARCH_PATH = ("PYTHONPATH", "PYTHONSAFEPATH")
# What a launcher of distributed trainings tells this process is not for its runs: each is a training of its own.
_RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE")
# A run's process imports the script that started the study again, and with it these, where it needs them.
_OF_SCRIPTS = ("pandas", "scipy.stats")


def warm_up(modules: Sequence[str]) -> None:
    """Have the fork server import what a `Backend` wants preloaded, which takes seconds, while this process goes on.

    A server that runs already keeps what it has.
    """
    if _context(modules).get_start_method() == "forkserver":
        from multiprocessing import forkserver

        with platform.interrupts_held_back(), _starting():
            forkserver.ensure_running()


def start(target: Callable[..., None], *arguments: Any) -> tuple[BaseProcess, Any]:
    """Start a process from a preloaded fork server, or a plain one where there is none.

    It calls `target` with a connection, on which it tells what is received on the one returned here; that ends when the
    process does.

    Raises:
        WorkerError: The fork server is no more.
    """
    receiver, sender = multiprocessing.Pipe(duplex=False)
    environment = {name: value for name, value in os.environ.items() if name not in _RANKS}
    process: BaseProcess = _context().Process(
        target=_begin, args=(environment, working_folder(), target, sender, *arguments)
    )
    with _starting():
        process.start()
    sender.close()
    return process, receiver


def _context(modules: Sequence[str] = PRELOAD) -> Any:
    context = multiprocessing.get_context(platform.start_method())
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload([*modules, *(name for name in _OF_SCRIPTS if name in sys.modules)])
    return context


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Have a fork server that starts now import the modules that this process would, and tell why one cannot start.

    By itself it looks into the working directory first, where a clone of Ultralytics may lie that this process does not
    see, and it dies of a `Path` in `sys.path`, which imports pass over. It hears of the end of a run by a signal, which
    whoever has started this process may have blocked.
    """
    before, path = {name: os.environ.pop(name, None) for name in (*_SEARCH_PATH, *_RANKS)}, list(sys.path)
    platform.let_through()
    sys.path[:] = [entry for entry in path if isinstance(entry, str)]
    os.environ |= dict.fromkeys(_SEARCH_PATH, "1")
    os.environ["PYTHONPATH"] = os.pathsep.join(entry or str(working_folder()) for entry in sys.path)
    try:
        yield
    except (EOFError, ConnectionError) as error:
        raise WorkerError("the process that starts the trainings has died; run the same command again") from error
    except OSError as error:
        long_name = "AF_UNIX" in str(error)  # of a socket, which has a hundred characters at most
        told = f"TMPDIR: must be shorter, got {gettempdir()}; use for instance TMPDIR=/tmp"
        raise WorkerError(told if long_name else f"no training can be started: {error}") from error
    finally:
        sys.path[:] = path
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _begin(environment: dict[str, str], folder: Path, target: Callable[..., None], *arguments: Any) -> None:
    """Take over what has changed since the fork server started: in a notebook, it serves one study after the other."""
    for name in _SEARCH_PATH:
        os.environ.pop(name, None)
    os.environ.update(environment)
    with contextlib.suppress(FileNotFoundError):  # nothing that a run needs is told by a relative path
        os.chdir(folder)
    target(*arguments)


def kill(process: BaseProcess) -> None:
    """End a process now, with its data loaders and DDP ranks."""
    if process.pid is not None:
        platform.end_group(process.pid)
    process.kill()
    process.join()


def telling(running: Mapping[Any, BaseProcess], patience_s: float | None = None) -> list[Any]:
    """Wait until processes have something to tell or have ended; returns their connections, none after `patience_s`.

    The end of a connection alone would not do: Windows keeps it open where a process dies as it starts.
    """
    with contextlib.suppress(InterruptedError):  # Windows stops to wait at Ctrl-C, which has been heard
        ready = wait([*running, *(process.sentinel for process in running.values())], patience_s)
        return [told for told, process in running.items() if told in ready or process.sentinel in ready]
    return []


def receive(connection: Any, process: BaseProcess) -> Any:
    """What a process tells next; an `EOFError` where it has ended and will tell nothing more."""
    try:
        if process.is_alive() or connection.poll():
            return connection.recv()
    except BrokenPipeError as error:
        raise EOFError from error
    raise EOFError


def cause_of_death(process: BaseProcess) -> str:
    """How a process ended that left no result, one line."""
    code = process.exitcode or 0
    if code == -getattr(signal, "SIGKILL", 9):  # Windows has none
        return "the process was killed (SIGKILL), perhaps for want of memory; try fewer --jobs"
    if code < 0:
        name = next((known.name for known in signal.Signals if known == -code), f"signal {-code}")
        return f"the process was killed ({name})"
    return f"the process ended without a result (exit code {code})"


def one_line(error: BaseException) -> str:
    """An exception as one line: its type and the first line of its message."""
    text = str(error).strip()
    return f"{type(error).__name__}: {cut(text.splitlines()[0])}" if text else type(error).__name__


def settle(log: Path) -> None:
    """Make this process independent of the terminal, print to `log`, and end with its parent."""
    for number in platform.INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)
    platform.let_through(platform.INTERRUPTS)  # data loaders are ended by SIGTERM
    platform.lead_group()
    redirect_output(log)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def redirect_output(log: Path) -> None:
    """Send everything this process prints to `log`.

    Descriptors are replaced and not `sys.stdout`, because Ultralytics' logger keeps the stream that it saw
    when it was imported, and because C libraries write past Python.
    """
    for printed in filter(None, (sys.stdout, sys.stderr)):  # a program without a console has none
        printed.flush()
    place = log if log.parent.is_dir() else Path(os.devnull)  # the study may have been removed just now
    with place.open("ab") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
    platform.renew_output()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    end_now()


def end_now() -> NoReturn:
    """End this process with what it has started: its parent is no more."""
    platform.end_group(os.getpid())
    os._exit(1)

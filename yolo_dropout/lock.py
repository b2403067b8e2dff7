"""One process at a time works in a study's folder."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from yolo_dropout.errors import StudyFolderError
from yolo_dropout.layout import StudyFolder, clear_leftovers


@contextlib.contextmanager
def hold(folder: StudyFolder) -> Iterator[None]:
    """Keep a study folder to this process, and clear away what a crash left of unfinished writes.

    The lock is the operating system's: it ends with the process that holds it, however that ends.

    Raises:
        StudyFolderError: Another process holds it, or the folder cannot be made.
    """
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.lock, timeout=0)
        lock.acquire()
    except Timeout:
        raise StudyFolderError(f"{folder.path}: another sweep works here ({_holder(folder)}); wait for it") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise StudyFolderError(f"--out: {folder.path} cannot be written ({reason}); choose another") from error
    try:
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        with contextlib.suppress(OSError):  # the disk may be full: that is told when it has been looked at
            _holder_file(folder).write_text(f"host {socket.gethostname()}, process {os.getpid()}, since {since}")
        clear_leftovers(folder)
        yield
    finally:
        with contextlib.suppress(OSError):
            _holder_file(folder).unlink()
        lock.release()


def _holder_file(folder: StudyFolder) -> Path:
    return folder.lock.with_suffix(".holder")


def _holder(folder: StudyFolder) -> str:
    with contextlib.suppress(OSError):
        return _holder_file(folder).read_text() or "just started"
    return "just started"

"""One process at a time works in a study's folder."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from filelock import FileLock, Timeout

from yolo_dropout.errors import StudyFolderError
from yolo_dropout.folder.layout import StudyFolder


@dataclass(frozen=True)
class Hold:
    """A study folder that is kept to this process, as long as its lock file stays where it is."""

    folder: StudyFolder
    lock: tuple[int, int] | None

    @property
    def lost(self) -> str | None:
        """Why the folder is no longer ours, one line; None while it is."""
        if _inode(self.folder) == self.lock:
            return None
        if not self.folder.spec.exists():
            return f"{self.folder.path}: was moved or removed while its runs trained; use the --out where it is now"
        return (
            f"{self.folder.path}: its .lock was removed or replaced while runs trained, so that another sweep may "
            "work here; what has finished is kept, run the same command again when no other does"
        )

    @contextlib.contextmanager
    def told_first(self) -> Iterator[None]:
        """Tell of a folder that is no longer ours, whatever else has come of that in a block.

        Raises:
            StudyFolderError: The folder is no longer ours.
        """
        try:
            yield
        except StudyFolderError as error:
            if self.lost:
                raise StudyFolderError(self.lost) from error
            raise
        if self.lost:
            raise StudyFolderError(self.lost)


@contextlib.contextmanager
def hold(folder: StudyFolder) -> Iterator[Hold]:
    """Keep a study folder to this process.

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
    held = Hold(folder, _inode(folder))
    try:
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        with contextlib.suppress(OSError):  # the disk may be full: that is told when it has been looked at
            folder.holder.write_text(f"host {socket.gethostname()}, process {os.getpid()}, since {since}")
        yield held
    finally:
        if not held.lost:  # otherwise that file is another's
            with contextlib.suppress(OSError):
                folder.holder.unlink()
        lock.release()


def _inode(folder: StudyFolder) -> tuple[int, int] | None:
    """What the lock file is to the file system; None where there is none."""
    try:
        found = folder.lock.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _holder(folder: StudyFolder) -> str:
    with contextlib.suppress(OSError):
        return folder.holder.read_text() or "just started"
    return "just started"

"""Whether a folder may be a study's, and one process's: what is somebody else's is neither replaced nor removed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from yolo_dropout.base.files import TEMPORARY, read_json
from yolo_dropout.base.text import few
from yolo_dropout.errors import StudyFolderError
from yolo_dropout.folder.layout import RATE_RUN_NAME, RUN_NAME, StudyFolder

# `study.yaml` holds this beside the spec only once a study has begun: a config that people write has none.
_BEGUN = re.compile(rb"^prepared:", re.MULTILINE)
# What is written whole goes by these names until it is; see `files.atomic_path`.
_RANDOM = rf"{re.escape(TEMPORARY)}[a-z0-9_]{{8}}"
_TABLES = r"(curves|scores|summary|shift|calibration|classes|new_images)\.csv"
_UNFINISHED = {
    "": rf"\.(study\.yaml|(verdict|examples)\.json|report\.(html|pdf)|{_TABLES}){_RANDOM}\.\w+",
    "figures": rf"\.\w+\.(png|svg){_RANDOM}\.(png|svg)",
    "runs": rf"\.{RUN_NAME.pattern}{_RANDOM}",
}
_OF_A_RUN = rf"\.((run|calibration)\.json{_RANDOM}\.json|(shift|images)\.csv{_RANDOM}\.csv)"
# What a study leaves that has not come to its first run, by folder; and what a desktop or git keeps in an empty one. Of
# runs only those that go by a rate: anybody may call a folder as a treatment is called.
_HUSK = {
    "": r"\.lock|\.lock\.holder|prepare\.log|\.cache|runs|folds|\.DS_Store|Thumbs\.db|\.gitkeep|\.gitignore",
    "runs": RATE_RUN_NAME.pattern,
    "folds": r"f\d+|splits\.csv",
}


def check_free(folder: StudyFolder) -> None:
    """Refuse a folder whose files a study would replace, and one inside another study.

    A new or an empty folder will do, and one that holds a study: whether it is the same one is asked elsewhere.
    """
    outer = next((parent for parent in folder.path.parents if _holds_runs(StudyFolder(parent))), None)
    if outer is not None:
        raise StudyFolderError(f"--out: {folder.path} lies inside the study {outer}; choose a folder of its own")
    if is_study(folder) or not (foreign := _foreign(folder)):
        return
    if folder.spec.name in foreign:
        raise StudyFolderError(
            f"--out: {folder.spec} is a file of your own, which the study would replace; choose another folder"
        )
    raise StudyFolderError(f"--out: {folder.path} holds {few(foreign)} and no study; choose a new or empty folder")


def check_report_free(folder: StudyFolder, study: StudyFolder | None = None) -> None:
    """Refuse a folder where a report, of `study` if of one, would replace what is no report of ours, or another's."""
    if study is not None and folder.path == study.path:
        return
    if is_study(folder):
        raise StudyFolderError(f"--out: {folder.path} holds another study; choose a folder of its own")
    foreign = [] if _is_report(folder) else _foreign(folder)
    if foreign:
        raise StudyFolderError(f"--out: {folder.path} holds {few(foreign)}; choose a new or empty folder")


def is_study(folder: StudyFolder) -> bool:
    """Whether a study has begun here: its `study.yaml` says so, or a run has ended."""
    begun = b""
    with contextlib.suppress(OSError):
        begun = folder.spec.read_bytes()
    with contextlib.suppress(OSError):  # a name that is too long
        return bool(_BEGUN.search(begun)) or folder.has_ended_runs
    return False


def _holds_runs(folder: StudyFolder) -> bool:
    """Whether a study has runs here; a copy of its `study.yaml` makes none, nor do folders that others call so."""
    with contextlib.suppress(OSError):  # not ours to look into
        return is_study(folder) and bool(folder.run_folders)
    return False


def _is_report(folder: StudyFolder) -> bool:
    with contextlib.suppress(OSError, ValueError, TypeError):
        return {"outcome", "comparisons", "agreement"} <= set(read_json(folder.verdict))
    return False


def _foreign(folder: StudyFolder) -> list[str]:
    """What lies here that no study leaves by itself before its first run has ended, by name."""
    return [
        path.relative_to(folder.path).as_posix()
        for place, husk in _HUSK.items()
        for path in _entries(folder.path / place)
        if not re.fullmatch(rf"{husk}|{_UNFINISHED.get(place, husk)}", path.name)
        and not (path == folder.spec and path.stat().st_size == 0)
    ]


def _entries(place: Path) -> list[Path]:
    try:
        return sorted(place.iterdir())
    except PermissionError as error:
        raise StudyFolderError(f"--out: {place} cannot be read ({error.strerror}); choose another") from error
    except OSError:  # nothing is there, or no folder can be: that is told when it is made
        return []


def clear_leftovers(folder: StudyFolder) -> None:
    """Remove what crashes left of our own atomic writes in a study; no other name, and nothing behind a link."""
    places = {folder.path / place: names for place, names in _UNFINISHED.items()}
    places |= {run.path: _OF_A_RUN for run in folder.run_folders}
    for place, names in places.items():
        for path in () if place.is_symlink() or not place.is_dir() else _entries(place):
            if re.fullmatch(names, path.name):
                with contextlib.suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


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
        """Tell of a folder that is no longer ours, whatever else has come of that in a block."""
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
    own = f"host {socket.gethostname()}, process {os.getpid()}, since {datetime.now().astimezone().isoformat()}"
    try:
        if _lives(told := _holder(folder)):
            raise StudyFolderError(f"{folder.path}: another sweep works here ({told}), though its .lock was removed")
        with contextlib.suppress(OSError):  # the disk may be full: that is told when it has been looked at
            folder.holder.write_text(own, encoding="utf-8")
        yield Hold(folder, _inode(folder))
    finally:
        if _holder(folder) == own:
            folder.holder.unlink(missing_ok=True)
        lock.release()


def _lives(holder: str) -> bool:
    """Whether the process that said it holds a folder still does: a removed lock file lets two have a lock each."""
    import psutil

    found = re.fullmatch(r"host (.+), process (\d+), since (.+)", holder)
    if found is None or found[1] != socket.gethostname():
        return False
    try:
        process, since = psutil.Process(int(found[2])), datetime.fromisoformat(found[3]).timestamp()
        return process.create_time() <= since and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError):  # it has ended
        return False


def _inode(folder: StudyFolder) -> tuple[int, int] | None:
    """What the lock file is to the file system; None where there is none."""
    with contextlib.suppress(OSError):
        found = folder.lock.stat()
        return found.st_dev, found.st_ino
    return None


def _holder(folder: StudyFolder) -> str:
    with contextlib.suppress(OSError):
        return folder.holder.read_text(encoding="utf-8", errors="replace") or "just started"
    return "just started"

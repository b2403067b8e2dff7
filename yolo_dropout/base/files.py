"""Files and folders that survive a crash. What cannot be written raises `StudyFolderError`, with the way out."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yolo_dropout.base.platform import patiently
from yolo_dropout.errors import StudyFolderError

# Part of the name of what is not finished; a crash may leave such files and folders behind.
TEMPORARY = ".tmp-"
# Part of the name of what was in the way, and is the user's now.
ASIDE = ".aside-"
# No study, record or list of arguments comes near: values, and levels of lists in lists.
_MOST_VALUES, _DEEPEST = 100_000, 20


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Hand out a temporary path beside `path`, and rename it over `path` once the block has succeeded.

    A reader sees the old content or the new, never half of it. What a crash leaves behind starts with a dot
    and carries a random name, so that it can never block the next write.

    Args:
        path: The file to write; its folder is made when missing.

    Yields:
        The temporary path, which the block fills; its suffix is that of `path`.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}{TEMPORARY}", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            flush_to_disk(temporary)
            temporary.chmod(0o666 & ~_umask())
            patiently(temporary.replace, path)
            flush_to_disk(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Hand out a temporary folder beside `path`, and put it in the place of `path` once the block has succeeded.

    Args:
        path: The folder to write; what is there before is removed.

    Yields:
        The temporary folder.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}{TEMPORARY}", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            if path.is_dir() and not path.is_symlink():
                patiently(shutil.rmtree, path)
            else:
                path.unlink(missing_ok=True)  # never what a link points to: that lies outside the study
            patiently(temporary.rename, path)
            flush_to_disk(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def set_aside(path: Path) -> Path:
    """Give a file or folder another name beside its own, and so leave it to the user.

    Returns:
        Where it is now: `NAME.aside-1`, or the first number that is free.
    """
    places = (path.with_name(f"{path.name}{ASIDE}{n}") for n in itertools.count(1))
    free = next(place for place in places if not os.path.lexists(place))
    with _told(path):
        return patiently(path.rename, free)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, in UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def flush_to_disk(path: Path) -> None:
    """Have a file, or the names in a folder, survive a power cut."""
    windows = sys.platform == "win32"
    if path.is_dir() and windows:
        return  # folders cannot be opened there
    descriptor = os.open(path, os.O_RDWR if windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    # The mask can only be read by setting it; mkstemp makes files that nobody else may read.
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except StudyFolderError:
        raise
    except OSError as error:
        full = "free some disk space and run the same command again"
        if error.errno == errno.ENOSPC and _is_full_of_files(path):
            full = "the disk can hold no more files (inodes): remove some and run the same command again"
        in_use = "close what has it open, " if sys.platform == "win32" else ""
        way_out = full if error.errno == errno.ENOSPC else f"{in_use}choose another --out, or make it writable"
        raise StudyFolderError(f"{path}: cannot be written ({error.strerror or error}); {way_out}") from error


def working_folder() -> Path:
    """The folder that this process works in; where that has been removed it goes to the root, and says so.

    Python itself asks where it is whenever it starts a process.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        os.chdir("/")
        return Path("/")


def _is_full_of_files(path: Path) -> bool:
    if sys.platform != "win32":  # which has no such number
        with contextlib.suppress(OSError):
            found = os.statvfs(path.parent)
            return found.f_files > 0 and found.f_favail == 0
    return False


def files_below(folder: Path, without: str | None = None) -> dict[str, Path]:
    """Every file below a folder, by its name relative to it; links are followed, but never round in a circle.

    Args:
        folder: Where to look.
        without: A suffix of files that are left out.
    """
    files, seen = dict[str, Path](), set[str]()
    for place, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        for path in (Path(place, name) for name in names):
            if path.suffix != without and path.is_file():
                files[path.relative_to(folder).as_posix()] = path
    return files


def read_json(path: Path) -> Any:
    """Read a JSON file; a `ValueError` where it is not JSON, for instance because a crash cut it off."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def parse_yaml(text: str) -> Any:
    """What a YAML text holds, read safely; raises a `yaml.YAMLError` where it is none."""
    import yaml

    with contextlib.suppress(AttributeError, yaml.YAMLError):
        return yaml.load(text, Loader=yaml.CSafeLoader)  # ten times as fast, where libyaml is there
    return yaml.safe_load(text)  # tells more plainly what is wrong


def check_values(values: object) -> None:
    """Refuse what no file or command line of ours holds, so that whoever takes such values may rely on it.

    Raises:
        ValueError: They are nested without end, a million when written out as a few aliases in YAML can tell, or hold
            text that cannot be written.
    """
    left, waiting = _MOST_VALUES, [(values, _DEEPEST)]
    while waiting:
        value, depth = waiting.pop()
        left -= 1
        if not left or not depth:
            raise ValueError("too many values" if depth else "nested too deeply")
        if isinstance(value, str):
            value.encode()
        elif isinstance(value, dict):
            waiting += ((item, depth - 1) for pair in value.items() for item in pair)
        elif isinstance(value, (list, tuple, set)):
            waiting += ((item, depth - 1) for item in value)

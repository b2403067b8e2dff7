"""Files that survive a crash, and where a study keeps which."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_dropout.errors import StudyFolderError

_TEMPORARY = ".tmp-"


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Hand out a temporary path beside `path`, and rename it over `path` once the block has succeeded.

    A reader sees the old content or the new, never half of it. What a crash leaves behind starts with a dot
    and carries a random name, so that it can never block the next write.

    Args:
        path: The file to write; its folder is made when missing.

    Yields:
        The temporary path, which the block fills; its suffix is that of `path`.

    Raises:
        StudyFolderError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}{_TEMPORARY}", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            flush_to_disk(temporary)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            flush_to_disk(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except StudyFolderError:
        raise
    except OSError as error:
        raise StudyFolderError(f"{path}: cannot be written ({error.strerror or error}); {_way_out(error)}") from error


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Hand out a temporary folder beside `path`, and put it in the place of `path` once the block has succeeded.

    Args:
        path: The folder to write; what is there before is removed.

    Yields:
        The temporary folder.

    Raises:
        StudyFolderError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}{_TEMPORARY}", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)  # never what a link points to: that lies outside the study
            temporary.rename(path)
            flush_to_disk(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except StudyFolderError:
        raise
    except OSError as error:
        raise StudyFolderError(f"{path}: cannot be written ({error.strerror or error}); {_way_out(error)}") from error


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically, in UTF-8.

    Raises:
        StudyFolderError: The file cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON, atomically.

    Raises:
        StudyFolderError: The file cannot be written.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def flush_to_disk(path: Path) -> None:
    """Have a file, or the names in a folder, survive a power cut.

    Raises:
        OSError: It cannot be read.
    """
    if path.is_dir() and os.name == "nt":
        return  # folders cannot be opened there
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    # The mask can only be read by setting it; mkstemp makes files that nobody else may read.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _way_out(error: OSError) -> str:
    import errno

    if error.errno == errno.ENOSPC:
        return "free some disk space and run the same command again"
    return "choose another --out, or make it writable"


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run: Ultralytics' own files beside our `run.json` and `train.log`."""

    path: Path

    @property
    def record(self) -> Path:
        """What the run was and how it ended; written last."""
        return self.path / "run.json"

    @property
    def log(self) -> Path:
        """Everything that Ultralytics printed."""
        return self.path / "train.log"

    @property
    def results(self) -> Path:
        """The metrics by epoch, as Ultralytics writes them."""
        return self.path / "results.csv"


@dataclass(frozen=True)
class StudyFolder:
    """The paths of one study. Everything outside `runs` and `spec` is derived and can be rebuilt."""

    path: Path

    @property
    def spec(self) -> Path:
        """What was asked, with versions."""
        return self.path / "study.yaml"

    @property
    def lock(self) -> Path:
        """Held while a sweep works in this folder."""
        return self.path / ".lock"

    @property
    def runs(self) -> Path:
        """One folder per run."""
        return self.path / "runs"

    def run(self, name: str) -> RunFolder:
        """The folder of the run `name`."""
        return RunFolder(self.runs / name)

    @property
    def folds(self) -> Path:
        """The splits of a cross-validation, one data set per fold."""
        return self.path / "folds"

    @property
    def verdict(self) -> Path:
        """The verdict as JSON."""
        return self.path / "verdict.json"

    @property
    def report(self) -> Path:
        """The study as one HTML page."""
        return self.path / "report.html"

    @property
    def readings(self) -> Path:
        """What was read of the runs before; a cache that may be deleted at any time."""
        return self.path / ".cache" / "readings.npz"

    @property
    def figures(self) -> Path:
        """The pictures, PNG and SVG."""
        return self.path / "figures"

    def table(self, name: str) -> Path:
        """`curves.csv`, `scores.csv` or `summary.csv`."""
        return self.path / f"{name}.csv"


def clear_leftovers(folder: StudyFolder) -> None:
    """Remove what crashes left of atomic writes: temporary files and folders beside those that we write."""
    for pattern in ("", "figures/", ".cache/", "runs/", "runs/*/"):
        for path in folder.path.glob(f"{pattern}.*{_TEMPORARY}*"):
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def files_below(folder: Path, without: str | None = None) -> dict[str, Path]:
    """Every file below a folder, by its name relative to it; links are followed, but never round in a circle.

    Args:
        folder: Where to look.
        without: A suffix of files that are left out.
    """
    files, seen = dict[str, Path](), set[str]()
    for place, folders, names in os.walk(folder, followlinks=True):
        if os.path.realpath(place) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(place))
        paths = [Path(place, name) for name in names]
        files |= {
            path.relative_to(folder).as_posix(): path for path in paths if path.suffix != without and path.is_file()
        }
    return files


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: It is not JSON, for instance because a crash cut it off.
        OSError: It cannot be read.
    """
    return json.loads(path.read_text(encoding="utf-8"))

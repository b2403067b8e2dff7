"""What has travelled to this machine, by its content: unpacked once, kept for the next study, evicted when old."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from yolo_dropout.base.files import files_below
from yolo_dropout.base.platform import lock as locked
from yolo_dropout.errors import InputError
from yolo_dropout.executors.ray.archive import unpack

_DEFAULT_GB = 50.0


class ContentCache:
    """A folder of unpacked archives, shared by all processes of a machine.

    A shared lock on `<digest>.lock` says that a process uses the content; the operating system takes it back when
    the process ends, however that ends. Who unpacks or evicts needs the lock for himself.

    Attributes:
        root: The folder.
        limit_bytes: How much may lie there.
    """

    def __init__(self, root: Path, limit_bytes: float = _DEFAULT_GB * 1e9) -> None:
        self.root, self.limit_bytes = root, limit_bytes
        self._used: dict[str, IO[str]] = {}
        root.mkdir(parents=True, exist_ok=True)

    @classmethod
    def of_environment(cls, given: Mapping[str, str] = os.environ) -> ContentCache:
        """In the folder `YOLO_DROPOUT_CACHE`, of at most `YOLO_DROPOUT_CACHE_GB`; an `InputError` if that is none."""
        root = Path(given.get("YOLO_DROPOUT_CACHE") or Path.home() / ".cache" / "yolo_dropout")
        word = given.get("YOLO_DROPOUT_CACHE_GB") or f"{_DEFAULT_GB}"
        try:
            return cls(root, float(word) * 1e9)
        except ValueError:
            raise InputError(f"YOLO_DROPOUT_CACHE_GB: must be a number of gigabytes, got {word!r}") from None

    def fetch(self, digest: str, size_bytes: int, archive: Callable[[], Iterable[bytes]]) -> Path:
        """The folder with the content of an archive, by its SHA-256, which this process uses until it ends.

        Args:
            digest: SHA-256 of the archive.
            size_bytes: Of its files.
            archive: Gives its chunks; called only where the content is not here, or no longer.

        Raises:
            InputError: What arrives is another content, or does not fit in the cache.
            OSError: It cannot be written.
        """
        place = self.root / digest
        lock = self._used.get(digest) or self._lock_file(digest)
        while digest not in self._used:
            locked(lock, alone=False)
            if place.is_dir():
                os.utime(lock.name)
                self._used[digest] = lock
                break
            locked(lock, alone=True)  # gives the shared one back first, so that two who want this cannot block
            if not place.is_dir():
                self._make_room(size_bytes)
                self._unpack(digest, archive())
        return place

    def scratch(self) -> Path:
        """A new folder of this process; those of processes that have ended are cleared away."""
        folder = self.root / "scratch"
        folder.mkdir(exist_ok=True)
        with self.alone("scratch"):
            for old in folder.glob("*.lock"):
                if _removed_unused(old) and not old.with_suffix("").exists():
                    old.unlink()
            place = Path(tempfile.mkdtemp(dir=folder))
            lock = self._used[place.name] = Path(f"{place}.lock").open("a")  # noqa: SIM115 - held until the process ends
            locked(lock, alone=False)
        return place

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Let one process of this machine at a time into a block."""
        with self._lock_file(name) as lock:
            locked(lock, alone=True)
            yield

    def _lock_file(self, name: str) -> IO[str]:
        return (self.root / f"{name}.lock").open("a")

    def _unpack(self, digest: str, chunks: Iterable[bytes]) -> None:
        for old in self.root.glob(f".{digest}.tmp-*"):
            shutil.rmtree(old, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=f".{digest}.tmp-", dir=self.root, ignore_cleanup_errors=True) as name:
            if unpack(chunks, Path(name)) != digest:
                raise InputError(f"cache: {digest[:12]} did not arrive as it was sent; run the same command again")
            Path(name).rename(self.root / digest)

    def _make_room(self, size_bytes: int) -> None:
        """Evict what was used longest ago, and never what is in use."""
        locks = sorted(self.root.glob("*.lock"), key=lambda path: path.stat().st_mtime)
        sizes = {lock: _size(lock.with_suffix("")) for lock in locks if lock.stem != "scratch"}
        for lock, size in sizes.items():
            if sum(sizes.values()) + size_bytes <= self.limit_bytes:
                return
            if size and _removed_unused(lock):
                sizes[lock] = 0
        if sum(sizes.values()) + size_bytes > self.limit_bytes:
            raise InputError(
                f"cache: {self.root} takes at most {self.limit_bytes / 1e9:g} GB, {size_bytes / 1e9:.3g} GB more are "
                "needed; set YOLO_DROPOUT_CACHE_GB on the nodes"
            )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in files_below(folder).values())


def _removed_unused(lock_path: Path) -> bool:
    """Whether nobody used what this lock is for, which is gone then."""
    with lock_path.open("a") as lock, contextlib.suppress(BlockingIOError):
        locked(lock, alone=True, wait=False)
        shutil.rmtree(lock_path.with_suffix(""), ignore_errors=True)
        return True
    return False

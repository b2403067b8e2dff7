"""What was read of a study's runs before, so that of thousands of files only those that have changed are read again.

The cache is derived from the runs: deleting it costs time and nothing else. It is never trusted over the files: what
it holds of a file counts only while the file's size and times are those of the reading.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from yolo_dropout import __version__
from yolo_dropout.base.files import atomic_path
from yolo_dropout.errors import StudyFolderError
from yolo_dropout.folder.layout import RunFolder, StudyFolder
from yolo_dropout.folder.records import RunRecord, parse_record, plain_record, read_record
from yolo_dropout.folder.results_csv import Results, read_results

T = TypeVar("T")

# Another version may read the same files differently.
_FORMAT = f"2 {__version__}"
# A file that was changed just now may change once more without its times telling.
_SETTLED_NS = 2_000_000_000


class Readings:
    """Reads records and results of a study's runs, from the cache where a file has not changed since.

    Args:
        folder: The study's folder.
        now_ns: Tells the time, ns since 1970.
    """

    def __init__(self, folder: StudyFolder, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._file = folder.readings
        self._known, self._values = _load(self._file)
        self._kept: dict[str, dict[str, list[Any]]] = {"record": {}, "results": {}}
        self._new = False

    def record(self, folder: RunFolder) -> RunRecord:
        """As `read_record`."""
        return self._read("record", folder.record, read=lambda: read_record(folder))

    def results(self, path: Path) -> Results:
        """As `read_results`."""
        return self._read("results", path, read=lambda: read_results(path))

    def _read(self, kind: str, path: Path, read: Callable[[], T]) -> T:
        run, stamp = path.parent.name, self._stamp(path)
        value: T | None = None
        with contextlib.suppress(Exception):  # a cache that holds nonsense, or nothing of this file, is as good as none
            before, known = self._known[kind][run]
            value = self._restored(kind, known, path) if stamp is not None and before == stamp else None
        if value is None:
            value, self._new = read(), True
        if stamp is not None and stamp == self._stamp(path):
            self._kept[kind][run] = [stamp, value]
        return value

    def _restored(self, kind: str, known: Any, path: Path) -> Any:
        if kind == "record":
            return parse_record(known, RunFolder(path.parent))
        start, n_epochs, metrics, notes = known
        block = self._values[start : start + n_epochs * (1 + len(metrics))].reshape(n_epochs, 1 + len(metrics))
        rising = (np.diff(block[:, 0], prepend=0.0) >= 1).all()
        if not (rising and all(isinstance(text, str) for text in (*metrics, *notes))):
            return None
        return Results(block[:, 0].astype(np.int64), tuple(metrics), block[:, 1:], tuple(notes))

    def _stamp(self, path: Path) -> list[int] | None:
        with contextlib.suppress(OSError):
            found = path.stat()
            if self._now_ns() - max(found.st_mtime_ns, found.st_ctime_ns) >= _SETTLED_NS:
                return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
        return None

    def save(self) -> None:
        """Write what has been read, if any of it is new; where that cannot be, the next time takes longer."""
        if not self._new:
            return
        index: dict[str, Any] = {"format": _FORMAT, "results": {}}
        index["record"] = {run: [stamp, plain_record(record)] for run, (stamp, record) in self._kept["record"].items()}
        blocks, start = [np.empty(0)], 0
        for run, (stamp, results) in self._kept["results"].items():
            index["results"][run] = [stamp, [start, len(results.epochs), results.metrics, results.notes]]
            blocks.append(np.column_stack([results.epochs, results.matrix]).ravel())
            start += blocks[-1].size
        text = np.frombuffer(json.dumps(index).encode(), dtype=np.uint8)
        with contextlib.suppress(StudyFolderError), atomic_path(self._file) as path:
            np.savez(path, index=text, values=np.concatenate(blocks))


def _load(file: Path) -> tuple[Mapping[str, Any], NDArray[np.float64]]:
    """What the cache holds; nothing when it is missing, broken, or another version's."""
    with contextlib.suppress(Exception), np.load(file, allow_pickle=False) as arrays:
        index, values = json.loads(arrays["index"].tobytes()), arrays["values"]
        if index["format"] == _FORMAT and values.dtype == np.float64:
            return index, values
    return {}, np.empty(0)

"""One attempt at a job; the run's folder is put in its place whole, and at once."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from yolo_dropout.base.files import atomic_folder, flush_to_disk
from yolo_dropout.executors import Ended, Job
from yolo_dropout.executors.ray.archive import CHUNK_BYTES, unpack
from yolo_dropout.folder.layout import RunFolder
from yolo_dropout.folder.records import RunRecord, write_record


@dataclass
class Attempt:
    """A job on its way, with what has come back of it so far.

    Attributes:
        job: The job.
        losses: How many times its node or process was lost.
    """

    job: Job
    losses: int = 0
    _archive: BinaryIO = field(default_factory=io.BytesIO)
    _started: float = 0.0

    def begin(self) -> None:
        """Start, once more perhaps."""
        self._started = time.monotonic()

    def take(self, chunk: bytes) -> None:
        """Keep a chunk of the run's folder; on the disk where the study lies, and nameless, so that nothing is left."""
        if self._archive.tell() == 0:
            self.job.path.parent.mkdir(parents=True, exist_ok=True)
            self._archive = tempfile.TemporaryFile(dir=self.job.path.parent)  # noqa: SIM115 - closed by `close`
        self._archive.write(chunk)

    def finish(self, record: RunRecord) -> Ended:
        """Put the folder in its place; whoever looks sees the old one or the new, never half of it.

        Raises:
            StudyFolderError: It cannot be written.
        """
        if self.losses:
            over = f"started over {self.losses} times, because its node or process was lost"
            record = replace(record, note="; ".join(filter(None, (record.note, over.replace("1 times", "once")))))
        with atomic_folder(self.job.path) as folder:
            unpack(self._chunks(), folder)
            results = RunFolder(folder).results
            if results.exists():
                flush_to_disk(results)
            write_record(RunFolder(folder), record)
        self.close()
        return Ended(self.job.run, record)

    def fail(self, error: str) -> Ended:
        """Record that the run has failed, without a folder.

        Raises:
            StudyFolderError: It cannot be written.
        """
        self.close()
        record = RunRecord.failure(self.job.run, error, time.monotonic() - self._started)
        with atomic_folder(self.job.path) as folder:
            write_record(RunFolder(folder), record)
        return Ended(self.job.run, record)

    def close(self) -> None:
        """Forget what has come back."""
        self._archive.close()
        self._archive = io.BytesIO()

    def _chunks(self) -> Iterator[bytes]:
        self._archive.seek(0)
        while chunk := self._archive.read(CHUNK_BYTES):
            yield chunk

"""A process that trains one job, from its folder to its record: what happens inside, and how its parent sees it."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from yolo_dropout.base.files import flush_to_disk
from yolo_dropout.base.platform import patiently
from yolo_dropout.errors import InputError, StudyFolderError
from yolo_dropout.executors import Backend, Ended, EpochDone, Event, Job
from yolo_dropout.executors.local.processes import cause_of_death, end_now, kill, one_line, receive, settle, start
from yolo_dropout.executors.local.slots import ANYWHERE, Seen
from yolo_dropout.folder.records import RunRecord, read_record, write_record
from yolo_dropout.folder.results_csv import read_results

# How CUDA and its libraries say that memory has run out; Ultralytics goes by the same words.
_OUT_OF_MEMORY = (
    "out of memory",
    "allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR",
    "unable to find an engine",
)
# What torch does not count: the driver's context and the libraries' kernels, bytes.
_CUDA_CONTEXT = 600_000_000


def run_job(job: Job, backend: Backend, tell: Callable[[EpochDone], None]) -> RunRecord:
    """Train one job in this process, and write its record last.

    Whatever the backend raises becomes the record's error: a failed training is data, not an exception. So does a
    `results.csv` that lacks epochs which were trained, because somebody deleted or changed it meanwhile.

    Raises:
        StudyFolderError: The record itself cannot be written.
    """
    started, clock = datetime.now().astimezone().isoformat(timespec="seconds"), time.perf_counter()
    record = RunRecord(job.run.treatment, job.run.seed, "failed", started=started, fold=job.run.fold)
    try:
        record = replace(record, status="finished", **_trained(job, backend, tell))
    except BaseException as raised:  # including SystemExit: the run has failed all the same
        with contextlib.suppress(OSError):  # the log may be on the disk that is full
            traceback.print_exc()
        scarce = isinstance(raised, MemoryError) or out_of_memory(str(raised))
        way_out = "; try fewer --jobs, or a smaller batch or imgsz" if scarce else ""
        record = replace(record, error=one_line(raised) + way_out)
    record = replace(record, seconds=round(time.perf_counter() - clock, 2))
    _keep(job, record)
    return record


def _trained(job: Job, backend: Backend, tell: Callable[[EpochDone], None]) -> dict[str, Any]:
    """Train, and say by field what the record of a finished run holds."""
    epochs = set[int]()

    def on_epoch(values: dict[str, float]) -> None:
        epochs.add(int(values["epoch"]))
        tell(EpochDone(job.run, values, gpu_bytes()))

    outcome = backend.train(job, on_epoch)
    results = read_results(job.folder.results)
    flush_to_disk(job.folder.results)
    if lost := epochs - set(results.epochs.tolist()):
        raise InputError(f"{job.folder.results}: lacks epochs that were trained, {min(lost)} first; it was changed")
    went_on = "continued from last.pt after it broke off, so it differs from an undisturbed run"
    note = "; ".join(filter(None, (results.diverged, went_on if outcome.continued else "")))
    told = {"sites": outcome.sites, "proof": outcome.proof, "versions": outcome.versions}
    return {**told, "epochs": len(results.epochs), "note": note or None}


def gpu_bytes() -> int:
    """Peak memory that this process has had of its GPU; 0 without one."""
    torch = sys.modules.get("torch")  # a backend that has not imported it has used no GPU
    if torch is None or not torch.cuda.is_initialized():
        return 0
    return int(torch.cuda.max_memory_reserved()) + _CUDA_CONTEXT


def out_of_memory(error: str | None) -> bool:
    """Whether an error says that memory has run out."""
    return error is not None and any(words in error for words in _OUT_OF_MEMORY)


def _keep(job: Job, record: RunRecord) -> None:
    """Write a run's record, unless its study is gone: a folder made anew there would pass for the study."""
    if not job.path.parent.is_dir():
        raise StudyFolderError(f"{job.path.parent}: is gone; it was moved or removed while the run trained")
    write_record(job.folder, record)


def ready_folder(job: Job) -> None:
    """Make the run's folder anew where the run starts over; a `StudyFolderError` if that cannot be."""
    try:
        if job.path.is_symlink() or job.path.is_file():
            job.path.unlink()  # never what a link points to: that lies outside the study
        elif job.checkpoint is None and job.path.exists():
            patiently(shutil.rmtree, job.path)
        job.path.mkdir(parents=True, exist_ok=True)
        own = job.folder
        for file in (own.record, own.shift, own.images, own.calibration):  # an earlier attempt's
            file.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise StudyFolderError(f"{job.path}: cannot be made anew ({reason}); free the folder") from error


@dataclass(frozen=True)
class WorkerProcess:
    """A process that trains one job, as its parent sees it.

    Attributes:
        connection: Where it tells of its epochs, and of what went wrong; ends when the process does.
        started: When it was started, s of the monotonic clock.
        place: Its GPU, or `ANYWHERE`.
        seen: What its slots want to know of it.
    """

    job: Job
    process: BaseProcess
    connection: Connection[Any, Any]
    started: float
    place: int = ANYWHERE
    seen: Seen = field(default_factory=Seen)

    @classmethod
    def start(cls, job: Job, backend: Backend, place: int) -> WorkerProcess:
        """Make the run's folder ready and start to train."""
        ready_folder(job)
        process, connection = start(_work, job if place == ANYWHERE else job.on_gpu(place), backend)
        return cls(job, process, connection, time.monotonic(), place)

    def receive(self) -> Event:
        """What it tells next; waits for it."""
        last_words = None
        with contextlib.suppress(EOFError, OSError):
            message = receive(self.connection, self.process)
            if isinstance(message, EpochDone):
                self.seen.epochs += 1
                self.seen.gpu_bytes = max(self.seen.gpu_bytes, message.gpu_bytes)
                return message
            last_words = message
        self.process.join()
        self.connection.close()
        return self._ended(last_words or cause_of_death(self.process))

    def stop(self, error: str) -> Ended:
        """End it now, with a record of `error` unless it has left one."""
        self.kill()
        return self._ended(error)

    def kill(self) -> None:
        """End it now."""
        kill(self.process)
        self.connection.close()

    def _ended(self, error: str) -> Ended:
        """The record that the worker has written; without one, a record of `error`."""
        try:
            record = read_record(self.job.folder)
        except InputError:
            record = RunRecord.failure(self.job.run, error, time.monotonic() - self.started)
            _keep(self.job, record)
        return Ended(self.job.run, record)


def _work(sender: Connection[Any, Any], job: Job, backend: Backend) -> None:
    def tell(epoch: EpochDone) -> None:
        try:
            sender.send(epoch)
        except OSError:  # nobody listens any more, which is no fault of the run's
            end_now()

    try:
        settle(job.folder.log)
        run_job(job, backend, tell)
    except Exception as error:  # not even a record could be written: the parent is told, and tries
        sender.send(one_line(error))
        raise

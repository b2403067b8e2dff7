"""What happens inside a worker process: one job, from its folder to its record."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
import traceback
from datetime import datetime
from pathlib import Path

from yolo_dropout.base.files import flush_to_disk
from yolo_dropout.errors import InputError, StudyFolderError
from yolo_dropout.executors import GPU_BYTES, Job, OnEpoch, Outcome, Trainer
from yolo_dropout.folder.records import RunRecord, write_record
from yolo_dropout.folder.results_csv import Results, read_results

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


def run_job(job: Job, trainer: Trainer, on_epoch: OnEpoch) -> RunRecord:
    """Train one job in this process, and write its record last.

    Whatever the trainer raises becomes the record's error: a failed training is data, not an exception. So does a
    `results.csv` that lacks epochs which were trained, because somebody deleted or changed it meanwhile.

    Raises:
        StudyFolderError: The record itself cannot be written.
    """
    started, clock = datetime.now().astimezone().isoformat(timespec="seconds"), time.perf_counter()
    epochs = set[int]()

    def count_epoch(values: dict[str, float]) -> None:
        epochs.add(int(values["epoch"]))
        on_epoch(values | gpu_memory())

    try:
        outcome, error = trainer.train(job, count_epoch), None
        results = _whole_results(job, epochs)
        n_epochs, notes = len(results.epochs), [results.diverged]
    except BaseException as raised:  # including SystemExit: the run has failed all the same
        with contextlib.suppress(OSError):  # the log may be on the disk that is full
            traceback.print_exc()
        outcome, error, n_epochs, notes = Outcome((), {}, {}), one_line(raised) + _way_out(raised), None, []
    if outcome.continued:
        notes.append("continued from last.pt after it broke off, so it differs from an undisturbed run")
    record = RunRecord(
        rate=job.run.rate,
        seed=job.run.seed,
        status="failed" if error else "finished",
        error=error,
        note="; ".join(note for note in notes if note) or None,
        started=started,
        seconds=round(time.perf_counter() - clock, 2),
        epochs=n_epochs,
        sites=outcome.sites,
        proof=outcome.proof,
        versions=outcome.versions,
        fold=job.run.fold,
    )
    keep_record(job, record)
    return record


def keep_record(job: Job, record: RunRecord) -> None:
    """Write a run's record, unless its study is gone: a folder made anew there would pass for the study.

    Raises:
        StudyFolderError: It cannot be written.
    """
    if not job.path.parent.is_dir():
        raise StudyFolderError(f"{job.path.parent}: is gone; it was moved or removed while the run trained")
    write_record(job.folder, record)


def gpu_memory() -> dict[str, float]:
    """Peak memory that this process has had of its GPU, bytes, by the key of an epoch's message; empty without one."""
    torch = sys.modules.get("torch")  # a trainer that has not imported it has used no GPU
    if torch is None or not torch.cuda.is_initialized():
        return {}
    return {GPU_BYTES: float(torch.cuda.max_memory_reserved() + _CUDA_CONTEXT)}


def _whole_results(job: Job, epochs: set[int]) -> Results:
    results = read_results(job.folder.results)
    flush_to_disk(job.folder.results)
    lost = epochs - set(results.epochs.tolist())
    if lost:
        raise InputError(f"{job.folder.results}: lacks epochs that were trained, {min(lost)} first; it was changed")
    return results


def one_line(error: BaseException) -> str:
    """An exception as one line: its type and the first line of its message."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def _way_out(error: BaseException) -> str:
    if isinstance(error, MemoryError) or out_of_memory(str(error)):
        return "; try fewer --jobs, or a smaller batch or imgsz"
    return ""


def out_of_memory(error: str | None) -> bool:
    """Whether an error says that memory has run out."""
    return error is not None and any(words in error for words in _OUT_OF_MEMORY)


def ready_folder(job: Job) -> None:
    """Make the run's folder anew, unless the run goes on from a checkpoint there.

    Raises:
        StudyFolderError: The folder cannot be made.
    """
    try:
        if job.path.is_symlink() or job.path.is_file():
            job.path.unlink()  # never what a link points to: that lies outside the study
        elif job.checkpoint is None and job.path.exists():
            shutil.rmtree(job.path)
        job.path.mkdir(parents=True, exist_ok=True)
        job.folder.record.unlink(missing_ok=True)  # an earlier attempt's, if the run goes on
    except OSError as error:
        raise StudyFolderError(
            f"{job.path}: cannot be made anew ({error.strerror or error}); free the folder"
        ) from error


def redirect_output(log: Path) -> None:
    """Send everything this process prints to `log`.

    Descriptors are replaced and not `sys.stdout`, because Ultralytics' logger keeps the stream that it saw
    when it was imported, and because C libraries write past Python.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    place = log if log.parent.is_dir() else Path(os.devnull)  # the study may have been removed just now
    with place.open("ab") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)

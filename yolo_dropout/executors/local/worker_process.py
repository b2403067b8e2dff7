"""A process on this machine that trains one job, as its parent sees it."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from yolo_dropout.errors import InputError
from yolo_dropout.executors import GPU_BYTES, Ended, EpochDone, Event, Job, Trainer
from yolo_dropout.executors.local.processes import cause_of_death, kill, settle, start
from yolo_dropout.executors.local.slots import ANYWHERE, Seen
from yolo_dropout.executors.worker import keep_record, one_line, ready_folder, run_job
from yolo_dropout.folder.records import RunRecord, read_record


@dataclass(frozen=True)
class WorkerProcess:
    """A process that trains one job.

    Attributes:
        job: What it trains.
        process: The process itself.
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
    def start(cls, job: Job, trainer: Trainer, place: int) -> WorkerProcess:
        """Make the run's folder ready and start to train."""
        ready_folder(job)
        receiver, sender = multiprocessing.Pipe(duplex=False)
        process = start(_work, sender, job if place == ANYWHERE else job.on_gpu(place), trainer)
        return cls(job, process, receiver, time.monotonic(), place)

    def receive(self) -> Event:
        """What it tells next; waits for it."""
        last_words = None
        try:
            message = self.connection.recv()
            if not isinstance(message, str):
                self.seen.epochs += 1
                self.seen.gpu_bytes = max(self.seen.gpu_bytes, message.get(GPU_BYTES, 0.0))
                return EpochDone(self.job.run, message)
            last_words = message
        except (EOFError, OSError):
            pass
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
            keep_record(self.job, record)
        return Ended(self.job.run, record)


def _work(sender: Connection[Any, Any], job: Job, trainer: Trainer) -> None:
    try:
        settle(job.folder.log)
        run_job(job, trainer, sender.send)
    except Exception as error:  # not even a record could be written: the parent is told, and tries
        sender.send(one_line(error))
        raise

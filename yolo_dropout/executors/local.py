"""Runs on this machine: one fresh process per run, several at a time."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import yolo_dropout.errors
from yolo_dropout.errors import InputError, WorkerError, YoloDropoutError
from yolo_dropout.executors import Ended, EpochDone, Event, Job, Started, T, Trainer
from yolo_dropout.executors.processes import (
    cause_of_death,
    interrupts_held_back,
    kill,
    killed_if_interrupted,
    settle,
    start,
)
from yolo_dropout.executors.worker import one_line, ready_folder, run_job
from yolo_dropout.records import RunRecord, read_record, write_record


@dataclass(frozen=True)
class LocalExecutor:
    """Trains on this machine.

    Attributes:
        slots: How many runs train at a time.
        run_timeout_s: A run that takes longer is stopped and recorded as failed; None waits for ever.
    """

    slots: int = 1
    run_timeout_s: float | None = None

    def call(self, function: Callable[..., T], *arguments: Any, log: Path) -> T:
        """Call `function` in a fresh process whose output goes to `log`; see `Executor`."""
        receiver, sender = multiprocessing.Pipe(duplex=False)
        with receiver, killed_if_interrupted() as processes:
            with interrupts_held_back():
                process = start(_answer, sender, log, function, arguments)
                processes.append(process)
            try:
                kind, value = receiver.recv()
            except EOFError:
                kind, value = "", None
            process.join()
        if kind == "value":
            return value  # type: ignore[no-any-return]
        error_class = getattr(yolo_dropout.errors, kind, None)
        if error_class is None:
            raise WorkerError(f"{value or f'{function.__name__}: {cause_of_death(process)}'}; see {log}")
        raise error_class(value)

    def run(self, jobs: Iterable[Job], trainer: Trainer) -> Generator[Event, None, None]:
        """Train the jobs; see `Executor`. Closing the iterator kills the trainings that still run."""
        waiting, running = iter(jobs), dict[Any, _Worker]()
        try:
            while True:
                for job in _take(waiting, self.slots - len(running)):
                    with interrupts_held_back():  # none may come between starting a worker and knowing it
                        worker = _Worker.start(job, trainer)
                        running[worker.connection] = worker
                    yield Started(job.run)
                if not running:
                    return
                for connection in wait(list(running), self._patience(running)):
                    event = running[connection].receive()
                    if isinstance(event, Ended):
                        del running[connection]
                    yield event
                for worker in self._overdue(running):
                    del running[worker.connection]
                    yield worker.stop(f"took longer than the run timeout of {self.run_timeout_s:g} s")
        finally:
            for worker in running.values():
                worker.kill()

    def _patience(self, running: dict[Any, _Worker]) -> float | None:
        if self.run_timeout_s is None:
            return None
        return max(0.0, min(worker.started for worker in running.values()) + self.run_timeout_s - time.monotonic())

    def _overdue(self, running: dict[Any, _Worker]) -> list[_Worker]:
        if self.run_timeout_s is None:
            return []
        oldest = time.monotonic() - self.run_timeout_s
        return [worker for worker in running.values() if worker.started <= oldest]


def _take(jobs: Iterator[Job], most: int) -> Iterator[Job]:
    # One at a time, and only when a slot is free: whoever hands out the jobs may stop at any moment.
    for _ in range(most):
        job = next(jobs, None)
        if job is None:
            return
        yield job


@dataclass(frozen=True)
class _Worker:
    """A process that trains one job, as its parent sees it."""

    job: Job
    process: BaseProcess
    connection: Connection[Any, Any]
    started: float

    @classmethod
    def start(cls, job: Job, trainer: Trainer) -> _Worker:
        ready_folder(job)
        receiver, sender = multiprocessing.Pipe(duplex=False)
        return cls(job, start(_work, sender, job, trainer), receiver, time.monotonic())

    def receive(self) -> Event:
        last_words = None
        try:
            message = self.connection.recv()
            if not isinstance(message, str):
                return EpochDone(self.job.run, message)
            last_words = message
        except (EOFError, OSError):
            pass
        self.process.join()
        self.connection.close()
        return self._ended(last_words or cause_of_death(self.process))

    def stop(self, error: str) -> Ended:
        self.kill()
        return self._ended(error)

    def kill(self) -> None:
        kill(self.process)
        self.connection.close()

    def _ended(self, error: str) -> Ended:
        """The record that the worker has written; without one, a record of `error`."""
        try:
            record = read_record(self.job.folder)
        except InputError:
            seconds = round(time.monotonic() - self.started, 2)
            run = self.job.run
            record = RunRecord(run.rate, run.seed, "failed", error, seconds=seconds, fold=run.fold)
            write_record(self.job.folder, record)
        return Ended(self.job.run, record)


def _work(sender: Connection[Any, Any], job: Job, trainer: Trainer) -> None:
    try:
        settle(job.folder.log)
        run_job(job, trainer, sender.send)
    except Exception as error:  # not even a record could be written: the parent is told, and tries
        sender.send(one_line(error))
        raise


def _answer(sender: Connection[Any, Any], log: Path, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    settle(log)
    try:
        sender.send(("value", function(*arguments)))
    except YoloDropoutError as error:
        sender.send((type(error).__name__, str(error)))
    except BaseException as error:
        sender.send(("", one_line(error)))
        raise

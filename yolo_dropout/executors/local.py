"""Runs on this machine: one fresh process per run, several at a time."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import yolo_dropout.errors
from yolo_dropout.errors import InputError, YoloDropoutError
from yolo_dropout.executors import Ended, EpochDone, Event, Job, Started, T, Trainer
from yolo_dropout.executors.worker import one_line, ready_folder, redirect_output, run_job
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
        process = _start(_answer, sender, log, function, arguments)
        with receiver:
            try:
                kind, value = receiver.recv()
            except EOFError:
                process.join()
                raise RuntimeError(f"{function.__name__}: {_cause(process)}; see {log}") from None
            finally:
                process.join()
        if kind == "value":
            return value  # type: ignore[no-any-return]
        error_class = getattr(yolo_dropout.errors, kind, None)
        if error_class is None:
            raise RuntimeError(f"{value}; see {log}")
        raise error_class(value)

    def run(self, jobs: Iterable[Job], trainer: Trainer) -> Generator[Event, None, None]:
        """Train the jobs; see `Executor`. Closing the iterator kills the trainings that still run."""
        waiting, running = iter(jobs), dict[Any, _Worker]()
        try:
            while True:
                for job in _take(waiting, self.slots - len(running)):
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
        return cls(job, _start(_work, sender, job, trainer), receiver, time.monotonic())

    def receive(self) -> Event:
        try:
            return EpochDone(self.job.run, self.connection.recv())
        except (EOFError, OSError):
            self.process.join()
            self.connection.close()
        try:
            record = read_record(self.job.folder)
        except InputError:
            record = self._record_failure(_cause(self.process))
        return Ended(self.job.run, record)

    def stop(self, error: str) -> Ended:
        self.kill()
        return Ended(self.job.run, self._record_failure(error))

    def kill(self) -> None:
        # The worker leads a process group of its own: data loaders and DDP ranks end with it.
        with contextlib.suppress(ProcessLookupError, PermissionError, AttributeError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _record_failure(self, error: str) -> RunRecord:
        seconds = round(time.monotonic() - self.started, 2)
        record = RunRecord(self.job.run.rate, self.job.run.seed, "failed", error, seconds=seconds)
        write_record(self.job.folder, record)
        return record


def _start(target: Callable[..., None], sender: Connection[Any, Any], *arguments: Any) -> BaseProcess:
    """Start a process from a preloaded fork server, or a plain one where there is none."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(["yolo_dropout.executors.preload"])
    process = context.Process(target=target, args=(sender, *arguments))  # type: ignore[attr-defined]
    with _interrupts_held_back():
        process.start()
    sender.close()
    return process  # type: ignore[no-any-return]


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Block Ctrl-C while a process starts; the fork server and its children inherit that for good.

    Ctrl-C reaches every process of a terminal; the parent alone decides what it means.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _cause(process: BaseProcess) -> str:
    code = process.exitcode or 0
    if code == -signal.SIGKILL:
        return "the process was killed (SIGKILL), perhaps for want of memory; try fewer --jobs"
    if code < 0:
        return f"the process was killed ({signal.Signals(-code).name})"
    return f"the process ended without a result (exit code {code})"


def _work(sender: Connection[Any, Any], job: Job, trainer: Trainer) -> None:
    _settle(job.folder.log)
    run_job(job, trainer, sender.send)


def _answer(sender: Connection[Any, Any], log: Path, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    _settle(log)
    try:
        sender.send(("value", function(*arguments)))
    except YoloDropoutError as error:
        sender.send((type(error).__name__, str(error)))
    except BaseException as error:
        sender.send(("", one_line(error)))
        raise


def _settle(log: Path) -> None:
    """Make this process independent of the terminal, and end it when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    redirect_output(log)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    if hasattr(os, "killpg"):
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)

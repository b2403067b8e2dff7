"""Runs on this machine: one fresh process per run, several at a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from inspect import isgenerator
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import yolo_dropout.errors
from yolo_dropout.base.platform import MOST_PROCESSES, interrupts_held_back
from yolo_dropout.errors import WorkerError, YoloDropoutError
from yolo_dropout.executors import Backend, Ended, Event, Found, Gpu, Job, Started, T
from yolo_dropout.executors.local.processes import cause_of_death, kill, one_line, receive, settle, start, telling
from yolo_dropout.executors.local.slots import ANYWHERE, Slots, look, utilisation
from yolo_dropout.executors.local.worker import WorkerProcess, out_of_memory
from yolo_dropout.executors.resources import cores, fitting_jobs

# While a first run is measured, its GPU's utilisation is read so often, s.
_SAMPLE_S = 0.5


@dataclass
class LocalExecutor:
    """Trains on this machine.

    Attributes:
        jobs: How many runs train at a time; by default as many as cores, memory or GPUs allow.
        per_gpu: How many share a GPU; by default what the first run's memory and utilisation allow.
        run_timeout_s: A run that takes longer is stopped and recorded as failed; None waits for ever.
        slots: What these come to on this machine, as `fit` settles it; before, so many runs as `jobs` says, or one.
        utilisation: Tells how busy a GPU is; asked while a first run shows what one takes.
    """

    jobs: int | None = None
    per_gpu: int | None = None
    run_timeout_s: float | None = None
    slots: Slots | None = None
    utilisation: Callable[[Gpu], float | None] = utilisation

    def fit(self, found: Found) -> tuple[int, str | None]:
        """Settle how many runs train at a time, and on which GPUs; see `Executor`."""
        note = None
        if found.gpus:
            share = math.ceil(self.jobs / len(found.gpus)) if self.jobs else None
            self.slots = Slots(self.jobs, found.gpus, self.per_gpu or share, cores())
        else:
            jobs, note = fitting_jobs(self.jobs, found.memory)
            self.slots = Slots(jobs)
            if self.per_gpu and not note:
                note = f"per-gpu: no GPU is used here, so {self.per_gpu} has no effect"
        return self.slots.now, note

    def call(self, function: Callable[..., T], *arguments: Any, log: Path) -> T:
        """Call `function` in a fresh process whose output goes to `log`; see `Executor`."""
        (value,) = stream(function, [arguments], log=log)
        return value  # type: ignore[no-any-return]

    def run(self, jobs: Iterable[Job], backend: Backend) -> Generator[Event, None, None]:
        """Train the jobs; see `Executor`. Closing the iterator kills the trainings that still run."""
        waiting, running = iter(jobs), dict[Any, WorkerProcess]()
        self.slots = self.slots or Slots(self.jobs or 1)
        try:
            while True:
                while len(running) < MOST_PROCESSES:
                    place = self.slots.place([worker.place for worker in running.values()])
                    if place is None or (job := next(waiting, None)) is None:
                        break
                    _start(job, backend, place, running)
                    yield Started(job.run)
                if not running:
                    return
                for worker in self._telling(running):
                    event = worker.receive()
                    if isinstance(event, Ended):
                        del running[worker.connection]
                        if worker.seen.shared and out_of_memory(event.record.error):
                            self.slots = self.slots.crowded()
                            worker.job.folder.record.unlink(missing_ok=True)
                            waiting = chain([worker.job], waiting)  # once more, and with a GPU of its own
                            continue
                    yield event
                for worker in [worker for worker in running.values() if self._left_s(worker) <= 0]:
                    del running[worker.connection]
                    yield worker.stop(f"took longer than the run timeout of {self.run_timeout_s:g} s")
        finally:
            for worker in running.values():
                worker.kill()

    def _telling(self, running: dict[Any, WorkerProcess]) -> list[WorkerProcess]:
        """Wait until workers have something to tell, or it is time to look at the GPUs or at who is overdue."""
        measuring = self.slots is not None and self.slots.measuring
        patience_s = min(_SAMPLE_S if measuring else math.inf, *map(self._left_s, running.values()))
        workers = {connection: worker.process for connection, worker in running.items()}
        ready = telling(workers, None if patience_s == math.inf else max(0.0, patience_s))
        if self.slots is not None and measuring:
            self.slots = look(self.slots, {one.place: one.seen for one in running.values()}, self.utilisation)
        return [running[connection] for connection in ready]

    def _left_s(self, worker: WorkerProcess) -> float:
        return math.inf if self.run_timeout_s is None else worker.started + self.run_timeout_s - time.monotonic()


def _start(job: Job, backend: Backend, place: int, running: dict[Any, WorkerProcess]) -> None:
    """Start a run, and note of all on its GPU that they have not had it to themselves."""
    with interrupts_held_back():  # none may come between starting a worker and knowing it
        worker = WorkerProcess.start(job, backend, place)
        beside = [other for other in running.values() if other.place == place != ANYWHERE]
        for sharing in (worker, *beside) if beside else ():
            sharing.seen.shared = True
        running[worker.connection] = worker


def stream(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], *, log: Path) -> Generator[Any, None, None]:
    """Call a function with each arguments at once, in fresh processes that print to `log`, and yield what they yield.

    A function that is no generator yields what it returns. Closing the iterator kills the processes.

    Raises:
        YoloDropoutError: The function raised it.
        WorkerError: A process died, or the function raised anything else.
    """
    running = dict[Any, Any]()
    try:
        for arguments in calls:
            with interrupts_held_back():  # none may come between starting a process and knowing it
                process, receiver = start(_answer, log, function, arguments)
                running[receiver] = process
        while running:
            for ready in telling(running):
                try:
                    kind, value = receive(ready, running[ready])
                except EOFError:
                    kind, value = "", ""
                if kind == "value":
                    yield value
                    continue
                process = running.pop(ready)
                process.join()
                if kind == "end":
                    continue
                if error_class := getattr(yolo_dropout.errors, kind, None):
                    raise error_class(value)
                # Without a log it died while it imported the script that had started it.
                way_out = f"see {log}" if log.exists() else 'start from a script under `if __name__ == "__main__":`'
                raise WorkerError(f"{value or f'{function.__name__}: {cause_of_death(process)}'}; {way_out}")
    finally:
        for process in running.values():
            kill(process)


def _answer(sender: Connection[Any, Any], log: Path, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    settle(log)
    try:
        value = function(*arguments)
        for item in value if isgenerator(value) else (value,):
            sender.send(("value", item))
        sender.send(("end", None))
    except YoloDropoutError as error:
        sender.send((type(error).__name__, str(error)))
    except BaseException as error:
        sender.send(("", one_line(error)))
        raise

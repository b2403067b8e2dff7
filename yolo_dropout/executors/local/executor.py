"""Runs on this machine: one fresh process per run, several at a time."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Collection, Generator, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import yolo_dropout.errors
from yolo_dropout.errors import WorkerError, YoloDropoutError
from yolo_dropout.executors import Ended, Event, Job, Started, T, Trainer
from yolo_dropout.executors.local.gpus import utilisation
from yolo_dropout.executors.local.processes import (
    cause_of_death,
    interrupts_held_back,
    killed_if_interrupted,
    settle,
    start,
)
from yolo_dropout.executors.local.slots import ANYWHERE, CoreSlots, Gpu, GpuSlots, Slots, look
from yolo_dropout.executors.local.worker_process import WorkerProcess
from yolo_dropout.executors.worker import one_line, out_of_memory

# While a first run is measured, its GPU's utilisation is read so often, s.
_SAMPLE_S = 0.5


@dataclass
class LocalExecutor:
    """Trains on this machine.

    Attributes:
        slots: How many runs train at a time, and on which GPUs.
        run_timeout_s: A run that takes longer is stopped and recorded as failed; None waits for ever.
        utilisation: Tells how busy a GPU is; asked while a first run shows what one takes.
    """

    slots: int | Slots = 1
    run_timeout_s: float | None = None
    utilisation: Callable[[Gpu], float | None] = utilisation

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
            # Without a log it died while it imported the script that had started it.
            way_out = f"see {log}" if log.exists() else 'start from a script under `if __name__ == "__main__":`'
            raise WorkerError(f"{value or f'{function.__name__}: {cause_of_death(process)}'}; {way_out}")
        raise error_class(value)

    def run(self, jobs: Iterable[Job], trainer: Trainer) -> Generator[Event, None, None]:
        """Train the jobs; see `Executor`. Closing the iterator kills the trainings that still run."""
        slots = CoreSlots(self.slots) if isinstance(self.slots, int) else self.slots
        waiting, again, running = iter(jobs), list[Job](), dict[Any, WorkerProcess]()
        try:
            while True:
                while (place := slots.place([worker.place for worker in running.values()])) is not None:
                    job = again.pop() if again else next(waiting, None)
                    if job is None:
                        break
                    with interrupts_held_back():  # none may come between starting a worker and knowing it
                        worker = WorkerProcess.start(job, trainer, place)
                        _mark_shared(worker, running.values())
                        running[worker.connection] = worker
                    yield Started(job.run)
                if not running:
                    return
                ready = wait(list(running), self._patience(running, slots.measuring))
                if isinstance(slots, GpuSlots) and slots.measuring:
                    slots = look(slots, {worker.place: worker.seen for worker in running.values()}, self.utilisation)
                for connection in ready:
                    worker = running[connection]
                    event = worker.receive()
                    if isinstance(event, Ended):
                        del running[connection]
                        if worker.seen.shared and out_of_memory(event.record.error):
                            slots = slots.crowded()
                            worker.job.folder.record.unlink(missing_ok=True)
                            again.append(worker.job)  # once more, and with a GPU of its own
                            continue
                    yield event
                for worker in self._overdue(running):
                    del running[worker.connection]
                    yield worker.stop(f"took longer than the run timeout of {self.run_timeout_s:g} s")
        finally:
            self.slots = slots  # what runs have shown holds on
            for worker in running.values():
                worker.kill()

    def _patience(self, running: dict[Any, WorkerProcess], measuring: bool) -> float | None:
        if self.run_timeout_s is None:
            return _SAMPLE_S if measuring else None
        if measuring:
            return min(_SAMPLE_S, self._patience(running, False) or 0.0)
        return max(0.0, min(worker.started for worker in running.values()) + self.run_timeout_s - time.monotonic())

    def _overdue(self, running: dict[Any, WorkerProcess]) -> list[WorkerProcess]:
        if self.run_timeout_s is None:
            return []
        oldest = time.monotonic() - self.run_timeout_s
        return [worker for worker in running.values() if worker.started <= oldest]


def _mark_shared(worker: WorkerProcess, others: Collection[WorkerProcess]) -> None:
    """Note of all runs on the new one's GPU that they have not had it to themselves."""
    beside = [other for other in others if other.place == worker.place != ANYWHERE]
    for sharing in (worker, *beside) if beside else ():
        sharing.seen.shared = True


def _answer(sender: Connection[Any, Any], log: Path, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    settle(log)
    try:
        sender.send(("value", function(*arguments)))
    except YoloDropoutError as error:
        sender.send((type(error).__name__, str(error)))
    except BaseException as error:
        sender.send(("", one_line(error)))
        raise

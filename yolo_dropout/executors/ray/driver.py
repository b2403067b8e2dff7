"""The driver's side of a study: which slot trains what, and what becomes of it."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError

from yolo_dropout.base.files import atomic_folder, flush_to_disk
from yolo_dropout.errors import SpecError
from yolo_dropout.executors import Backend, Ended, EpochDone, Event, Job, Started
from yolo_dropout.executors.local.processes import one_line
from yolo_dropout.executors.ray.archive import unpack
from yolo_dropout.executors.ray.shipping import ShippedInputs, ship
from yolo_dropout.executors.ray.slots import SlotRequests
from yolo_dropout.folder.layout import RunFolder
from yolo_dropout.folder.records import RunRecord, write_record

if TYPE_CHECKING:
    from yolo_dropout.executors.ray import RayExecutor

_LOOK_S = 1.0
_MOST_LOSSES = 5


class Driver:
    """Hands the jobs of one study to the slots of one cluster, and takes in what comes back.

    Args:
        executor: What was asked for.
        backend: What trains.
        shipped: Model and data by fold, where they are shipped already.
    """

    def __init__(
        self, executor: RayExecutor, backend: Backend, shipped: Mapping[int | None, ShippedInputs] | None = None
    ) -> None:
        self._executor, self._backend, self._requests = executor, backend, SlotRequests(executor)
        self._free = list[Any]()
        self._working = dict[Any, tuple[Any, _Attempt]]()
        self._again = deque[_Attempt]()
        self._shipped = dict(shipped or {})

    def run(self, jobs: Iterator[Job]) -> Iterator[Event]:
        """Train the jobs. Each is taken when a slot is free for it, so that who hands them out may stop."""
        exhausted = False
        while True:
            while self._free and (attempt := self._next(jobs)):
                yield self._start(attempt)
            exhausted = exhausted or bool(self._free)
            if self._again or not exhausted:
                self._requests.ask_for_more(len(self._working) + len(self._free))
            else:
                self._end_idle()
                if not self._working:
                    return
            waited = [*self._requests.pending, *self._working]
            for ref in ray.wait(waited, num_returns=1, timeout=_LOOK_S)[0]:
                yield from self._take_in(ref)

    def close(self) -> None:
        """End every slot, with what it trains."""
        self._end_idle()
        for actor, _ in self._working.values():
            ray.kill(actor)
        self._working.clear()

    def _end_idle(self) -> None:
        self._requests.cancel()
        for actor in self._free:
            ray.kill(actor)
        self._free.clear()

    def _next(self, jobs: Iterator[Job]) -> _Attempt | None:
        if self._again:
            return self._again.popleft()
        job = next(jobs, None)
        return None if job is None else _Attempt(job)

    def _start(self, attempt: _Attempt) -> Started:
        job, device = attempt.job, attempt.job.spec.train.get("device")
        if job.checkpoint is not None:
            raise SpecError(f"continue-broken: {job.run.name} cannot go on from last.pt on Ray; use --executor local")
        if self._requests.need["GPU"] and device not in (None, ""):
            raise SpecError(f"device: Ray gives each run its GPUs, got device={device}; leave it out")
        # A node has no folds beside the run's folder: the job names its data itself.
        job = replace(job, spec=replace(job.spec, data=job.data, folds=None))
        if job.run.fold not in self._shipped:  # once for all jobs of a fold
            self._shipped[job.run.fold] = self._ship_for(job)
        actor, attempt.started = self._free.pop(), time.monotonic()
        train = actor.train.options(num_returns="streaming")
        self._working[train.remote(job, self._backend, self._shipped[job.run.fold])] = (actor, attempt)
        return Started(job.run)

    def _ship_for(self, job: Job) -> ShippedInputs:
        if self._backend.inputs is None or self._executor.data_in_place:
            return {}
        log = job.study.prepare_log
        log.parent.mkdir(parents=True, exist_ok=True)
        return ship(self._executor.call(self._backend.inputs, job.spec, log=log), self._executor.ship_limit_gb)

    def _take_in(self, ref: Any) -> Iterator[Event]:
        if ref in self._requests.pending:
            actor = self._requests.take(ref)
            self._free += [] if actor is None else [actor]
            return
        actor, attempt = self._working[ref]
        try:
            message = ray.get(next(ref))
            if isinstance(message, EpochDone):
                yield message
                return
            ended = attempt.end(message.record, message.chunks)
        except RayError as error:
            # The slot may live and say why it could not train: an object was lost on its way, or the run has failed.
            cause = error.cause if isinstance(error, RayTaskError) and error.cause else error
            if isinstance(cause, RayError):
                yield from self._lost(ref, cause)
                return
            ended = attempt.fail(one_line(cause))
        del self._working[ref]
        self._free.append(actor)
        yield ended

    def _lost(self, ref: Any, error: RayError) -> Iterator[Event]:
        """Its node or its process is gone: the run starts over on another slot."""
        actor, attempt = self._working.pop(ref)
        with contextlib.suppress(RayError):
            ray.kill(actor)
        attempt.losses += 1
        if attempt.losses < _MOST_LOSSES:
            self._again.append(attempt)
        else:
            yield attempt.fail(f"its node or process was lost {attempt.losses} times, last: {one_line(error)}")


@dataclass
class _Attempt:
    """A job on its way, and how often its node or process was lost."""

    job: Job
    losses: int = 0
    started: float = 0.0

    def end(self, record: RunRecord, chunks: Sequence[Any] = ()) -> Ended:
        """Put the run's folder in its place; whoever looks sees the old one or the new, never half of it."""
        if self.losses and chunks:
            times = "once" if self.losses == 1 else f"{self.losses} times"
            over = f"started over {times}, because its node or process was lost"
            record = replace(record, note="; ".join(filter(None, (record.note, over))))
        with atomic_folder(self.job.path) as folder:
            if chunks:
                unpack(map(ray.get, chunks), folder)
            if RunFolder(folder).results.exists():
                flush_to_disk(RunFolder(folder).results)
            write_record(RunFolder(folder), record)
        return Ended(self.job.run, record)

    def fail(self, error: str) -> Ended:
        """Record that the run has failed, and that nothing has come back of it."""
        return self.end(RunRecord.failure(self.job.run, error, time.monotonic() - self.started))

"""The driver's side of a study: which slot trains what, and what becomes of it."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError

from yolo_dropout.errors import SpecError
from yolo_dropout.executors import Ended, EpochDone, Event, Job, Started, Trainer
from yolo_dropout.executors.ray.attempt import Attempt
from yolo_dropout.executors.ray.shipping import ShippedInputs, ship
from yolo_dropout.executors.ray.slot_requests import SlotRequests
from yolo_dropout.executors.worker import one_line

if TYPE_CHECKING:
    from yolo_dropout.executors.ray.executor import RayExecutor

_LOOK_S = 1.0
_MOST_LOSSES = 5


class Driver:
    """Hands the jobs of one study to the slots of one cluster, and takes in what comes back.

    Args:
        executor: What was asked for.
        trainer: What trains.
        shipped: Model and data by fold, where they are shipped already.
    """

    def __init__(
        self, executor: RayExecutor, trainer: Trainer, shipped: Mapping[int | None, ShippedInputs] | None = None
    ) -> None:
        self._executor, self._trainer, self._requests = executor, trainer, SlotRequests(executor)
        self._free = list[Any]()
        self._working = dict[Any, tuple[Any, Attempt]]()
        self._again = deque[Attempt]()
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
        for actor, attempt in self._working.values():
            ray.kill(actor)
            attempt.close()
        self._working.clear()

    def _end_idle(self) -> None:
        self._requests.cancel()
        for actor in self._free:
            ray.kill(actor)
        self._free.clear()

    def _next(self, jobs: Iterator[Job]) -> Attempt | None:
        if self._again:
            return self._again.popleft()
        job = next(jobs, None)
        return None if job is None else Attempt(job)

    def _start(self, attempt: Attempt) -> Started:
        self._check(attempt.job)
        # A node has no folds beside the run's folder: the job names its data itself.
        job = replace(attempt.job, spec=replace(attempt.job.spec, data=attempt.job.data, folds=None))
        shipped = self._shipped_for(job)
        actor = self._free.pop()
        train = actor.train.options(num_returns="streaming")
        attempt.begin()
        self._working[train.remote(job, self._trainer, shipped)] = (actor, attempt)
        return Started(attempt.job.run)

    def _check(self, job: Job) -> None:
        device = job.spec.train.get("device")
        if job.checkpoint is not None:
            raise SpecError(f"continue-broken: {job.run.name} cannot go on from last.pt on Ray; use --executor local")
        if self._requests.need["GPU"] and device not in (None, ""):
            raise SpecError(f"device: Ray gives each run its GPUs, got device={device}; leave it out")

    def _shipped_for(self, job: Job) -> ShippedInputs:
        """Model and data of a job, shipped once for all jobs of its fold."""
        if job.run.fold not in self._shipped:
            self._shipped[job.run.fold] = self._ship_for(job)
        return self._shipped[job.run.fold]

    def _ship_for(self, job: Job) -> ShippedInputs:
        if self._trainer.inputs is None or self._executor.data_in_place:
            return {}
        log = job.study.prepare_log
        log.parent.mkdir(parents=True, exist_ok=True)
        return ship(self._executor.call(self._trainer.inputs, job.spec, log=log), self._executor.ship_limit_gb)

    def _take_in(self, ref: Any) -> Iterator[Event]:
        if ref in self._requests.pending:
            actor = self._requests.take(ref)
            self._free += [] if actor is None else [actor]
            return
        actor, attempt = self._working[ref]
        try:
            message = ray.get(next(ref))
        except RayTaskError as error:
            yield from self._raised(ref, error.cause or error)
        except RayError as error:
            yield from self._lost(ref, error)
        else:
            if isinstance(message, bytes):
                attempt.take(message)
            elif isinstance(message, Ended):
                del self._working[ref]
                self._free.append(actor)
                yield attempt.finish(message.record)
            elif isinstance(message, EpochDone):
                yield message

    def _raised(self, ref: Any, error: BaseException) -> Iterator[Event]:
        """The slot lives, and says why it could not train: an object was lost on its way, or the run has failed."""
        if isinstance(error, RayError):
            yield from self._lost(ref, error)
        else:
            actor, attempt = self._working.pop(ref)
            self._free.append(actor)
            yield attempt.fail(one_line(error))

    def _lost(self, ref: Any, error: RayError) -> Iterator[Event]:
        """Its node or its process is gone: the run starts over on another slot."""
        actor, attempt = self._working.pop(ref)
        with contextlib.suppress(RayError):
            ray.kill(actor)
        attempt.losses += 1
        if attempt.losses < _MOST_LOSSES:
            attempt.close()
            self._again.append(attempt)
        else:
            yield attempt.fail(f"its node or process was lost {attempt.losses} times, last: {one_line(error)}")

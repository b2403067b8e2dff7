"""Slots: room for one training on a node, which comes when the cluster has it, and goes when the driver says so."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError

from yolo_dropout.base.files import files_below
from yolo_dropout.errors import ClusterError
from yolo_dropout.executors import Backend, Ended, EpochDone, Job
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.local.processes import one_line, warm_up
from yolo_dropout.executors.ray.archive import pack
from yolo_dropout.executors.ray.cache import ContentCache
from yolo_dropout.executors.ray.shipping import ShippedInputs, spec_on_node
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.spec.study_spec import StudySpec

if TYPE_CHECKING:
    from yolo_dropout.executors.ray import RayExecutor

_PACKAGES = ("yolo-dropout", "ultralytics", "torch")
# What the driver's user has set holds on the nodes too. Ray sets OMP_NUM_THREADS itself, and other numbers come out.
_VARIABLES = ("OMP_NUM_THREADS", "YOLO_OFFLINE")
_OF_TRACKERS = ("MLFLOW_", "WANDB_")
_FIRST, _MOST_AT_ONCE = 4, 1000
_MOST_DEATHS_AT_START = 5


def installed_versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {name: version(name) for name in _PACKAGES}


@dataclass(frozen=True)
class Returned:
    """A run that has ended on a node, and its folder as an archive in the object store, chunk by chunk."""

    record: RunRecord
    chunks: tuple[Any, ...]


class Slot:
    """Room for one training on a node; lives in a Ray actor, whose end takes the training along."""

    def __init__(self, variables: Mapping[str, str], run_timeout_s: float | None) -> None:
        for name in _VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(variables)
        self._local = LocalExecutor(1, run_timeout_s=run_timeout_s)
        self._cache = ContentCache.of_environment()
        self._scratch = self._cache.scratch()

    def versions(self) -> tuple[str, dict[str, str]]:
        """This node's name, and its versions."""
        return socket.gethostname(), installed_versions()

    def train(self, job: Job, backend: Backend, shipped: ShippedInputs) -> Iterator[EpochDone | Returned]:
        """Train one job; yields its epochs, and then how it ended. Inputs of no use here raise what is wrong."""
        warm_up(backend.preload)  # it loads while a first job's inputs are unpacked
        # The study's and the run's folders are named as at home: trackers go by that.
        path = self._scratch / job.study.path.name / "runs" / job.run.name
        spec = self._spec_here(job.spec, backend, shipped) if shipped else job.spec
        try:
            with closing(self._local.run([replace(job, spec=spec, path=path)], backend)) as events:
                for event in events:
                    if isinstance(event, Ended):
                        yield Returned(event.record, tuple(map(ray.put, pack(files_below(path)))))
                    elif isinstance(event, EpochDone):
                        yield event
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _spec_here(self, spec: StudySpec, backend: Backend, shipped: ShippedInputs) -> StudySpec:
        """The spec as it reads on this node; the first slot here inspects it, which warms the label cache."""
        here = spec_on_node(shipped, spec, self._cache)
        key = hashlib.sha256(repr((here.model, here.data, sorted(here.train.items()))).encode()).hexdigest()
        mark = self._cache.root / next(iter(shipped.values())).digest / f".prepared-{key[:16]}"
        if not mark.exists():
            with self._cache.alone("prepare"):
                if not mark.exists():
                    self._local.call(backend.inspect, here, log=self._scratch / "prepare.log")
                    mark.touch()
        return here


class SlotRequests:
    """Asks Ray for slots: as many as have room, and one more, which waits until the cluster has room or grows.

    Attributes:
        need: What Ray keeps for each slot, by resource.
        pending: Slots that Ray has been asked for, by the reference to what each says first.
    """

    def __init__(self, executor: RayExecutor) -> None:
        gpus = executor.gpus_per_run
        if gpus is None:
            gpus = 1 if ray.cluster_resources().get("GPU") else 0
        self.need = {"CPU": executor.cpus_per_run, "GPU": gpus, **executor.resources}
        self.pending = dict[Any, Any]()
        self._executor, self._died_at_start, self._since = executor, 0, time.monotonic()
        others = {name: amount for name, amount in self.need.items() if name not in ("CPU", "GPU")}
        self._kind = ray.remote(num_cpus=self.need["CPU"], num_gpus=self.need["GPU"], resources=others)(Slot)

    def ask_for_more(self, n_slots: int) -> None:
        """Ask for more slots than those that are there, never for many more than have work already.

        Raises:
            ClusterError: The cluster has had no node that is large enough, for as long as it was given.
        """
        if self.pending:
            self._check_patience(n_slots)
            return
        most = (self._executor.slots or n_slots + _MOST_AT_ONCE) - n_slots
        if most > 0:
            self._since, free = time.monotonic(), ray.available_resources()
            room = min(int(free.get(name, 0) / amount) for name, amount in self.need.items() if amount)
            names = (*_VARIABLES, *_OF_TRACKERS)
            variables = {name: value for name, value in os.environ.items() if name.startswith(names)}
            for _ in range(max(1, min(room, most, max(_FIRST, n_slots)))):
                actor = self._kind.remote(variables, self._executor.run_timeout_s)
                self.pending[actor.versions.remote()] = actor

    def _check_patience(self, n_slots: int) -> None:
        if n_slots or self._fits_somewhere():
            self._since = time.monotonic()
        elif time.monotonic() - self._since > self._executor.patience_s:
            told = ", ".join(f"{amount:g} {name}" for name, amount in self.need.items() if amount)
            raise ClusterError(f"cluster: a run needs a node with {told}, and there is none; add one, or ask for less")

    def _fits_somewhere(self) -> bool:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return any(all(node.get(name, 0) >= amount for name, amount in self.need.items()) for node in nodes)

    def take(self, ref: Any) -> Any | None:
        """The slot that has arrived; None where it died on the way.

        Raises:
            ClusterError: Slots cannot start there, or its node has other versions.
        """
        actor = self.pending.pop(ref)
        try:
            node, versions = ray.get(ref)
        except RayError as error:
            self._died_at_start += 1
            if self._died_at_start < _MOST_DEATHS_AT_START:
                return None
            raise ClusterError(f"cluster: slots cannot start on its nodes: {_cause(error)}; mend that first") from error
        here = installed_versions()
        other = [f"{name} {versions[name]} (here {here[name]})" for name in here if versions[name] != here[name]]
        if other and not self._executor.any_versions:
            raise ClusterError(
                f"versions: every node must have this machine's, {node} has {', '.join(other)}; "
                "install the same, or use --allow-other-versions"
            )
        self._died_at_start = 0
        return actor

    def cancel(self) -> None:
        """Ask for none any longer."""
        for actor in self.pending.values():
            ray.kill(actor)
        self.pending.clear()


def _cause(error: RayError) -> str:
    """What the actor itself said, which Ray puts at the end of many lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error: " in line), None) or one_line(error)

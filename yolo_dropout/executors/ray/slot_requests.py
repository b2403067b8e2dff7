"""Slots come when the cluster has room for them, now or later, and go when the driver says so."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError

from yolo_dropout.errors import ClusterError
from yolo_dropout.executors.ray.slot import Slot, environment, installed_versions
from yolo_dropout.executors.worker import one_line

if TYPE_CHECKING:
    from yolo_dropout.executors.ray.executor import RayExecutor

_FIRST, _MOST_AT_ONCE = 4, 1000
_MOST_DEATHS_AT_START = 5


class SlotRequests:
    """Asks Ray for slots: as many as have room, and one more, which waits until the cluster has room or grows.

    Attributes:
        need: What Ray keeps for each slot, by resource.
        pending: Slots that Ray has been asked for, by the reference to what each says first.
    """

    def __init__(self, executor: RayExecutor) -> None:
        self.need, self.pending = _need(executor), dict[Any, Any]()
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
            self._since = time.monotonic()
            for _ in range(max(1, min(self._room(), most, max(_FIRST, n_slots)))):
                actor = self._kind.remote(environment(), self._executor.run_timeout_s)
                self.pending[actor.versions.remote()] = actor

    def _room(self) -> int:
        free = ray.available_resources()
        return min(int(free.get(name, 0) / amount) for name, amount in self.need.items() if amount)

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
        if not self._executor.any_versions:
            _check_versions(node, versions)
        self._died_at_start = 0
        return actor

    def cancel(self) -> None:
        """Ask for none any longer."""
        for actor in self.pending.values():
            ray.kill(actor)
        self.pending.clear()


def _need(executor: RayExecutor) -> dict[str, float]:
    gpus = executor.gpus_per_run
    if gpus is None:
        gpus = 1 if ray.cluster_resources().get("GPU") else 0
    return {"CPU": executor.cpus_per_run, "GPU": gpus, **executor.resources}


def _cause(error: RayError) -> str:
    """What the actor itself said, which Ray puts at the end of many lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error: " in line), None) or one_line(error)


def _check_versions(node: str, versions: Mapping[str, str]) -> None:
    here = installed_versions()
    other = [f"{name} {versions[name]} (here {here[name]})" for name in here if versions[name] != here[name]]
    if other:
        raise ClusterError(
            f"versions: every node must have this machine's, {node} has {', '.join(other)}; "
            "install the same, or use --allow-other-versions"
        )

"""The executor that trains on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from yolo_dropout.executors import Event, Job, T, Trainer
from yolo_dropout.executors.local.executor import LocalExecutor


@dataclass(frozen=True)
class RayExecutor:
    """Trains on the Ray cluster that this process is connected to; see `connected`.

    Each slot of the cluster is a Ray actor, which trains one run after the other as `LocalExecutor` does: in fresh
    processes from a preloaded fork server. There are as many as the cluster has room for, now and later.

    Attributes:
        slots: How many runs train at a time at most; None fills the cluster.
        cpus_per_run: CPUs that Ray keeps for each run.
        gpus_per_run: GPUs that Ray gives to each run, such as 0.25; None gives one where the cluster has any.
        resources: Custom resources that Ray keeps for each run.
        run_timeout_s: A run that takes longer is stopped and recorded as failed; None waits for ever.
        data_in_place: Every node sees model and data under the same paths: ship nothing.
        ship_limit_gb: Refuse to ship more than this.
        any_versions: Train on nodes with other versions of Ultralytics, torch or this package too; each record
            tells its own.
        patience_s: How long to wait for a node that is large enough, when the cluster has none.
    """

    slots: int | None = None
    cpus_per_run: float = 1
    gpus_per_run: float | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    run_timeout_s: float | None = None
    data_in_place: bool = False
    ship_limit_gb: float = 20
    any_versions: bool = False
    patience_s: float = 60

    def call(self, function: Callable[..., T], *arguments: object, log: Path) -> T:
        """Call `function` on this machine, where model and data are; see `Executor`."""
        return LocalExecutor().call(function, *arguments, log=log)

    def run(self, jobs: Iterable[Job], trainer: Trainer) -> Generator[Event, None, None]:
        """Train the jobs; see `Executor`. Closing the iterator kills the trainings that still run.

        Raises:
            ClusterError: The cluster has no node for such runs, or one with other versions.
            SpecError: A run cannot go on from `last.pt` here, or asks for a device that Ray must give.
            InputError: Model or data are more than may be shipped.
        """
        from yolo_dropout.executors.ray.driver import Driver

        with closing(Driver(self, trainer)) as driver:
            yield from driver.run(iter(jobs))

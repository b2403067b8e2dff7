"""Runs on a Ray cluster, without a shared disk: the executor, and how to be connected to a cluster."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yolo_dropout.errors import ClusterError
from yolo_dropout.executors import Backend, Event, Found, Job, T
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.resources import cores

_PATIENCE_S = 5.0


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

    def fit(self, found: Found) -> tuple[int, str | None]:  # noqa: ARG002 - the cluster knows what its nodes hold
        """How many were asked for; see `Executor`."""
        return self.slots or 1, None

    def run(self, jobs: Iterable[Job], backend: Backend) -> Generator[Event, None, None]:
        """Train the jobs; see `Executor`. Closing the iterator kills the trainings that still run.

        Raises:
            ClusterError: The cluster has no node for such runs, or one with other versions.
            SpecError: A run cannot go on from `last.pt` here, or asks for a device that Ray must give.
            InputError: Model or data are more than may be shipped.
        """
        from yolo_dropout.executors.ray.driver import Driver

        with contextlib.closing(Driver(self, backend)) as driver:
            yield from driver.run(iter(jobs))


@contextlib.contextmanager
def connected(address: str | None = None) -> Iterator[str]:
    """Be a driver of a Ray cluster while the block lasts; one that is connected already stays so.

    Args:
        address: `host:port` of the cluster's head, `auto` for the one that runs on this machine, or `local` for a new
            one of this machine's cores, which ends with the block. By default that of `RAY_ADDRESS`, else the one
            that runs here, else a new one.

    Yields:
        The address of the cluster.

    Raises:
        ClusterError: Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterError("executor: ray is not installed; run `pip install yolo-dropout[ray]`") from error
    if ray.is_initialized():
        yield ray.get_runtime_context().gcs_address
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        _connect(ray, address or os.environ.get("RAY_ADDRESS"))
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, handler)  # Ray has put its own there, which ends the process
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str | None) -> None:
    # Nothing here calls home, unless the user has told Ray to do so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    own = {"address": "local", "num_cpus": cores(), "include_dashboard": False, **quiet}
    if address == "local":
        ray.init(**own)
        return
    _check_answers(address)
    try:
        ray.init(address=address or "auto", **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        # A cluster that refuses must not be mistaken for none.
        if address is not None or "Could not find any running Ray" not in str(error):
            told = str(error).strip().partition("\n")[0]
            raise ClusterError(
                f"ray-address: {address or 'the cluster here'} cannot be used: {told}; see `ray status`, set "
                "RAY_AUTH_MODE=token where it asks for a token, or use --ray-address local"
            ) from error
        ray.init(**own)


def _check_answers(address: str | None) -> None:
    """Knock first: Ray itself would try for a minute."""
    if address in (None, "auto"):
        return
    host, _, port = re.sub(r"^ray://", "", address or "").rpartition(":")
    if not host or not port.isdigit():
        raise ClusterError(f"ray-address: must be host:port, auto or local, got {address!r}; such as 10.0.0.1:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ClusterError(
            f"ray-address: {address} does not answer ({reason}); start it with `ray start --head`, or correct it"
        ) from error

"""`--executor ray` and the options that go with it."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from yolo_dropout.errors import SpecError
from yolo_dropout.executors import Executor

if TYPE_CHECKING:
    from yolo_dropout.executors.ray import RayExecutor

_WITH_RAY = (
    "ray_address",
    "cpus_per_run",
    "gpus_per_run",
    "ray_resources",
    "data_in_place",
    "ship_limit",
    "allow_other_versions",
)


def check_executor(options: Namespace) -> None:
    """Refuse an unknown executor, options of another than the one that was asked for, and wrong values.

    Raises:
        SpecError: One of these.
    """
    if options.executor not in ("local", "ray"):
        raise SpecError(f"executor: must be local or ray, got {options.executor!r}")
    if options.executor == "local":
        given = next((name for name in _WITH_RAY if getattr(options, name)), None)
        if given is not None:
            raise SpecError(f"{given.replace('_', '-')}: goes with --executor ray; add it, or leave this out")
        return
    if options.per_gpu is not None:
        raise SpecError(f"per-gpu: goes with --executor local, got {options.per_gpu}; use --gpus-per-run 0.25 on Ray")
    _ray_executor(options, None, None)


@contextmanager
def executor_from(options: Namespace, jobs: int | None, run_timeout_s: float | None) -> Iterator[Executor | None]:
    """The executor that the words ask for, with its cluster; None for this machine.

    Args:
        options: The parsed words.
        jobs: How many runs train at a time at most.
        run_timeout_s: A run that takes longer is stopped.

    Raises:
        SpecError: An option breaks its rule.
        ClusterError: Ray is not installed, or there is no such cluster.
    """
    if options.executor == "local":
        yield None
        return
    from yolo_dropout.executors.ray import connected

    executor = _ray_executor(options, jobs, run_timeout_s)
    with connected(options.ray_address):
        yield executor


def _ray_executor(options: Namespace, jobs: int | None, run_timeout_s: float | None) -> RayExecutor:
    from yolo_dropout.executors.ray import RayExecutor

    gpus = options.gpus_per_run
    executor = RayExecutor(
        slots=jobs,
        cpus_per_run=_amount("cpus-per-run", options.cpus_per_run or "1"),
        gpus_per_run=None if gpus is None else _amount("gpus-per-run", gpus),
        resources=_resources(options.ray_resources or ()),
        run_timeout_s=run_timeout_s,
        data_in_place=options.data_in_place,
        ship_limit_gb=_amount("ship-limit", options.ship_limit or "20"),
        any_versions=options.allow_other_versions,
    )
    if not (executor.cpus_per_run or executor.gpus_per_run or any(executor.resources.values())):
        raise SpecError(
            "cpus-per-run: 0 needs GPUs or resources to tell how many runs fit; for instance --cpus-per-run 1"
        )
    return executor


def _resources(words: Sequence[str]) -> dict[str, float]:
    resources = {}
    for word in words:
        name, _, amount = word.partition("=")
        if not name or name in ("CPU", "GPU"):
            raise SpecError(f"ray-resources: must be NAME=N, and no CPU or GPU, got {word!r}; for instance big_disk=1")
        resources[name] = _amount("ray-resources", amount)
    return resources


def _amount(name: str, word: str) -> float:
    try:
        amount = float(word)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < math.inf or (amount > 1 and amount != int(amount) and name != "ship-limit"):
        raise SpecError(f"{name}: must be a whole number, or a part of one, got {word!r}; for instance 0.5 or 2")
    return amount

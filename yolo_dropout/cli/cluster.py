"""`--executor` and the options that go with each: where a sweep trains."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from yolo_dropout.cli.options import RAY_OPTIONS
from yolo_dropout.cli.sweep_options import count, seconds
from yolo_dropout.errors import SpecError
from yolo_dropout.executors import Executor


def executor_from(options: Namespace) -> Executor:
    """The executor that the words ask for; Ray's is at work once this process is connected, see `cluster_from`."""
    jobs, per_gpu = count("jobs", options.jobs), count("per-gpu", options.per_gpu)
    timeout_s = seconds("run-timeout", options.run_timeout)
    if options.executor not in ("local", "ray"):
        raise SpecError(f"executor: must be local or ray, got {options.executor!r}")
    if options.executor == "ray":
        if (asked := options.per_gpu) is not None:
            raise SpecError(f"per-gpu: goes with --executor local, got {asked}; use --gpus-per-run 0.25 on Ray")
        return _ray_executor(options, jobs, timeout_s)
    given = next((name for name in RAY_OPTIONS if getattr(options, name.replace("-", "_"))), None)
    if given is not None:
        raise SpecError(f"{given}: goes with --executor ray; add it, or leave this out")
    from yolo_dropout.executors.local.executor import LocalExecutor

    return LocalExecutor(jobs, per_gpu, timeout_s)


def cluster_from(options: Namespace) -> AbstractContextManager[Any]:
    """Be connected to the cluster that the words ask for, if to any."""
    if options.executor != "ray":
        return nullcontext()
    from yolo_dropout.executors.ray import connected

    return connected(options.ray_address)


def _ray_executor(options: Namespace, jobs: int | None, run_timeout_s: float | None) -> Executor:
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

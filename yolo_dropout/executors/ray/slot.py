"""What happens on a node: one slot trains one run after the other, and sends each home."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version

from yolo_dropout.base.files import files_below
from yolo_dropout.executors import Ended, EpochDone, Job, Trainer
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.local.processes import warm_up
from yolo_dropout.executors.ray.archive import pack
from yolo_dropout.executors.ray.cache import ContentCache
from yolo_dropout.executors.ray.shipping import ShippedInputs, spec_on_node
from yolo_dropout.spec.study_spec import StudySpec

_PACKAGES = ("yolo-dropout", "ultralytics", "torch")
# What the driver's user has set holds on the nodes too. Ray sets OMP_NUM_THREADS itself, and other numbers come out.
_VARIABLES = ("OMP_NUM_THREADS", "YOLO_OFFLINE")
_OF_TRACKERS = ("MLFLOW_", "WANDB_")


def environment() -> dict[str, str]:
    """The variables of this process that hold for the trainings wherever they run."""
    return {name: value for name, value in os.environ.items() if name in _VARIABLES or name.startswith(_OF_TRACKERS)}


def installed_versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {name: version(name) for name in _PACKAGES}


class Slot:
    """Room for one training on a node; lives in a Ray actor, whose end takes the training along."""

    def __init__(self, variables: Mapping[str, str], run_timeout_s: float | None) -> None:
        for name in _VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(variables)
        self._local = LocalExecutor(1, run_timeout_s)
        self._cache = ContentCache.of_environment()
        self._scratch = self._cache.scratch()

    def versions(self) -> tuple[str, dict[str, str]]:
        """This node's name, and its versions."""
        return os.uname().nodename, installed_versions()

    def train(self, job: Job, trainer: Trainer, shipped: ShippedInputs) -> Iterator[EpochDone | bytes | Ended]:
        """Train one job.

        Yields:
            Its epochs; then the run's folder as an archive in chunks; last, how it ended.

        Raises:
            YoloDropoutError: The job's inputs cannot be used here.
        """
        warm_up(trainer.preload)  # it loads while a first job's inputs are unpacked
        # The study's and the run's folders are named as at home: trackers go by that.
        path = self._scratch / job.study.path.name / "runs" / job.run.name
        spec = self._spec_here(job.spec, trainer, shipped) if shipped else job.spec
        try:
            with closing(self._local.run([replace(job, spec=spec, path=path)], trainer)) as events:
                for event in events:
                    if isinstance(event, Ended):
                        yield from pack(files_below(path))
                    if isinstance(event, EpochDone | Ended):
                        yield event
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _spec_here(self, spec: StudySpec, trainer: Trainer, shipped: ShippedInputs) -> StudySpec:
        """The spec as it reads on this node; the first slot here prepares it, which warms the label cache."""
        here = spec_on_node(shipped, spec, self._cache)
        key = hashlib.sha256(repr((here.model, here.data, sorted(here.train.items()))).encode()).hexdigest()
        mark = self._cache.root / next(iter(shipped.values())).digest / f".prepared-{key[:16]}"
        if not mark.exists():
            with self._cache.alone("prepare"):
                if not mark.exists():
                    self._local.call(trainer.prepare, here, log=self._scratch / "prepare.log")
                    mark.touch()
        return here

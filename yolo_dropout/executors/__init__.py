"""Where runs are trained. An executor takes jobs and yields what happens to them.

`local` trains each run in a fresh process of this machine, `ray` in fresh processes of a cluster's machines.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from yolo_dropout.folder.layout import RunFolder, StudyFolder
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.training.inputs import InputFiles

T = TypeVar("T")
OnEpoch = Callable[[dict[str, float]], None]
# Beside an epoch's row, a worker tells its peak GPU memory under this name.
GPU_BYTES = "gpu/bytes"


@dataclass(frozen=True)
class Job:
    """One run together with all that a fresh process needs to train it.

    Attributes:
        run: Which run.
        spec: The study's spec.
        path: The run's folder.
        continue_broken: Go on from the `last.pt` of a run that broke off, instead of starting over.
    """

    run: Run
    spec: StudySpec
    path: Path
    continue_broken: bool = False

    @property
    def folder(self) -> RunFolder:
        """Where the run's files go."""
        return RunFolder(self.path)

    @property
    def study(self) -> StudyFolder:
        """The study that the run belongs to."""
        return StudyFolder(self.path.parents[1])

    @property
    def data(self) -> str:
        """What it trains on: the study's data, or its fold's."""
        if self.spec.folds is None:
            return self.spec.data
        fold = self.study.folds / f"f{self.run.fold}"
        return str(fold / "data.yaml" if (fold / "data.yaml").exists() else fold)

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint to go on from; None to start over."""
        last = self.path / "weights" / "last.pt"
        return last if self.continue_broken and last.exists() else None

    def on_gpu(self, index: int) -> Job:
        """The same job, told to train on one GPU."""
        return replace(self, spec=replace(self.spec, train={**self.spec.train, "device": index}))


@dataclass(frozen=True)
class Outcome:
    """What a trainer says of a finished training; see `RunRecord` for the first three.

    Attributes:
        continued: Whether it went on from the job's checkpoint; a finished one cannot be gone on from.
    """

    sites: tuple[str, ...]
    proof: Mapping[str, Any]
    versions: Mapping[str, str]
    continued: bool = False


# What a fork server imports for trainings with Ultralytics.
PRELOAD = ("yolo_dropout.executors.ultralytics.preload",)


@dataclass(frozen=True)
class Trainer:
    """What trains. The real one is `ultralytics_trainer.ULTRALYTICS`; tests pass a fast fake.

    The functions are called in worker processes, so they must be importable by name.

    Attributes:
        prepare: Checks a spec before the first run and returns what it found, as plain values; raises a
            `YoloDropoutError` when the study cannot work.
        train: Trains one job; raises when the training fails.
        split: Cuts the spec's images into its folds below a folder; returns what it found, which updates what
            `prepare` has; None where there are no folds to make.
        rehearse: Seconds per image of `train` and `val`, measured in seconds; None where nobody can tell.
        inputs: The files that a spec's trainings read, by argument, for machines without a shared disk; None where
            they read none.
        preload: Modules that take long to import. A sweep, and a slot of a Ray cluster, has its fork server import
            them once; `run_study` by itself has it import what Ultralytics needs, whatever trains.
    """

    prepare: Callable[[StudySpec], dict[str, Any]]
    train: Callable[[Job, OnEpoch], Outcome]
    rehearse: Callable[[StudySpec], dict[str, float]] | None = None
    split: Callable[[StudySpec, Path], dict[str, Any]] | None = None
    inputs: Callable[[StudySpec], dict[str, InputFiles]] | None = None
    preload: tuple[str, ...] = ()


@dataclass(frozen=True)
class Started:
    """A run has started."""

    run: Run


@dataclass(frozen=True)
class EpochDone:
    """A run has finished an epoch; `values` are that row of `results.csv`, and `gpu/bytes` where it uses a GPU."""

    run: Run
    values: Mapping[str, float]


@dataclass(frozen=True)
class Ended:
    """A run has ended, well or not; its record is on disk."""

    run: Run
    record: RunRecord


Event = Started | EpochDone | Ended


class Executor(Protocol):
    """What a study needs to have its runs trained."""

    def call(self, function: Callable[..., T], *arguments: Any, log: Path) -> T:
        """Call `function` where trainings run, in a fresh process, and return what it returns.

        Args:
            function: Importable by name.
            arguments: What it is called with.
            log: Takes what the process prints.

        Raises:
            YoloDropoutError: The function raised it.
            WorkerError: The process died, or the function raised anything else.
        """

    def run(self, jobs: Iterable[Job], trainer: Trainer) -> Generator[Event, None, None]:
        """Train the jobs and yield events until all have ended. Closing the iterator stops what is running.

        Jobs are taken one by one, when there is room for one: who hands them out may stop doing so.
        """

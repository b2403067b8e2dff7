"""Where runs are trained: `local` in fresh processes of this machine, `ray` in those of a cluster's machines.

Here are the words of this room: what trains, what it is given and finds, what happens to a run, and who is told.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from yolo_dropout.folder.layout import RunFolder, StudyFolder
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.spec.treatment import Treatment
from yolo_dropout.training.data import Prepared
from yolo_dropout.training.inputs import InputFiles

T = TypeVar("T")
OnEpoch = Callable[[dict[str, float]], None]
# What a fork server imports for trainings with Ultralytics.
PRELOAD = ("yolo_dropout.executors.ultralytics.preload",)


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
    def treatment(self) -> Treatment:
        """What the run is given."""
        return self.spec.treatment(self.run.treatment)

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
class Gpu:
    """A GPU as it was before the first run: its number for `device=`, bytes, and its name for NVML if it has one."""

    index: int
    total_bytes: int
    used_bytes: int = 0
    uuid: str = ""


@dataclass(frozen=True, kw_only=True)
class Found(Prepared):
    """What the look at model and data has found before the first run.

    Attributes:
        parameters: How many the model has.
        memory: Main memory of one training, bytes; None where that is not known, or a GPU trains.
        n_images: Images of all folds; None without folds.
        gpus: The GPUs of this machine that the study uses.
        trackers: Those that are told the verdict.
    """

    parameters: int = 0
    memory: int | None = None
    n_images: int | None = None
    gpus: tuple[Gpu, ...] = ()
    trackers: tuple[str, ...] = ()

    @property
    def stored(self) -> dict[str, Any]:
        """What `study.yaml` keeps of it: the GPUs and trackers are this machine's and not the study's."""
        known = {name: value for name, value in vars(self).items() if value is not None or name == "memory"}
        del known["gpus"], known["trackers"]
        return known


@dataclass(frozen=True)
class Outcome:
    """What a backend says of a finished training; see `RunRecord` for the first three.

    Attributes:
        continued: Whether it went on from the job's checkpoint; a finished one cannot be gone on from.
    """

    sites: tuple[str, ...]
    proof: Mapping[str, Any]
    versions: Mapping[str, str]
    continued: bool = False


@dataclass(frozen=True)
class Backend:
    """What trains. The real one is `ultralytics.backend.ULTRALYTICS`; tests pass a fast fake.

    The functions are called in worker processes, so they must be importable by name.

    Attributes:
        inspect: Looks at model and data before the first run; raises a `YoloDropoutError` when the study cannot work.
        train: Trains one job; raises when the training fails.
        rehearse: Seconds of a training step per image, measured in seconds; None where nobody can tell.
        split: Cuts the spec's images into its folds below a folder; returns what this changes of `Found`, by field.
            None where there are no folds to make.
        inputs: The files that a spec's trainings read, by argument, and that of a treatment by its `place`, for
            machines without a shared disk; None where they read none.
        remedies: What may help against overfitting in a spec's model and task; None where nobody can tell.
        preload: Modules that take long to import. A sweep, and a slot of a Ray cluster, has its fork server import
            them once; `run_study` by itself has it import what Ultralytics needs, whatever trains.
    """

    inspect: Callable[[StudySpec], Found]
    train: Callable[[Job, OnEpoch], Outcome]
    rehearse: Callable[[StudySpec], float] | None = None
    split: Callable[[StudySpec, Path], dict[str, Any]] | None = None
    inputs: Callable[[StudySpec], dict[str, InputFiles]] | None = None
    preload: tuple[str, ...] = ()
    remedies: Callable[[StudySpec], tuple[Treatment, ...]] | None = None


@dataclass(frozen=True)
class Started:
    """A run has started."""

    run: Run


@dataclass(frozen=True)
class EpochDone:
    """A run has finished an epoch: that row of `results.csv`, and its peak GPU memory so far; 0 without a GPU."""

    run: Run
    values: Mapping[str, float]
    gpu_bytes: int = 0


@dataclass(frozen=True)
class Ended:
    """A run has ended, well or not; its record is on disk."""

    run: Run
    record: RunRecord


Event = Started | EpochDone | Ended


class View:
    """Who watches a study while it runs, and may stop it. This one shows nothing and stops nothing."""

    def plan(self, todo: Sequence[Run], done: Sequence[RunRecord]) -> None:
        """Take in what is to do, and what has been done before; again, when seeds are added."""

    def event(self, event: Event) -> None:
        """Take in what has happened to a run."""

    def note(self, line: str) -> None:
        """Take in what else one should know."""

    def stopped(self) -> bool:
        """Whether no further run shall start; asked before each."""
        return False


class Executor(Protocol):
    """What a study needs to have its runs trained."""

    def call(self, function: Callable[..., T], *arguments: Any, log: Path) -> T:
        """Call `function`, importable by name, in a fresh process that prints to `log`, and return what it returns.

        Raises:
            YoloDropoutError: The function raised it.
            WorkerError: The process died, or the function raised anything else.
        """

    def fit(self, found: Found) -> tuple[int, str | None]:
        """Settle how many runs train at a time; that number as far as it is known, and a line on what is amiss."""

    def run(self, jobs: Iterable[Job], backend: Backend) -> Generator[Event, None, None]:
        """Train the jobs and yield events until all have ended. Closing the iterator stops what is running.

        Jobs are taken one by one, when there is room for one: who hands them out may stop doing so.
        """

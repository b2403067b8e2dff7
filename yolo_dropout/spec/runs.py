"""Spec -> ordered runs, and what of them is still to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from yolo_dropout.base.text import named, rate_of
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.spec.treatment import slug


@dataclass(frozen=True)
class Run:
    """One training: one seed, one treatment (by its name), and in a cross-validation one fold."""

    seed: int
    treatment: str
    fold: int | None = None

    @property
    def rate(self) -> float | None:
        """The rate that it is named by; None for a treatment with a name of its own."""
        return rate_of(self.treatment)

    @property
    def name(self) -> str:
        """Name of the run's folder, such as `p0.10-s3`, `p0.10-s3-f0` or `weight-decay-x10-s3`."""
        fold = "" if self.fold is None else f"-f{self.fold}"
        return f"{slug(self.treatment)}-s{self.seed}{fold}"

    @property
    def block(self) -> str:
        """What it shares with the runs that it is compared with, in words: `seed 3`, or `seed 3 fold 0`."""
        return f"seed {block_name(self.seed, self.fold)}"

    def __str__(self) -> str:
        return f"{named(self.treatment)} {self.block}"


def block_name(seed: int, fold: int | None = None) -> str:
    """A block in a column of seeds: `3`, or in a cross-validation `3 fold 0`."""
    return f"{seed}" if fold is None else f"{seed} fold {fold}"


def plan(spec: StudySpec) -> tuple[Run, ...]:
    """All runs of a spec, block by block, so that an interrupted study holds whole blocks."""
    folds = (None,) if spec.folds is None else range(spec.folds)
    return tuple(Run(seed, item.name, fold) for seed in spec.seeds for fold in folds for item in spec.treatments)


def pending(runs: Iterable[Run], done: Collection[Run]) -> tuple[Run, ...]:
    """The runs that are not among `done`, in order."""
    return tuple(run for run in runs if run not in done)

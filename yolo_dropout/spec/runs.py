"""Spec -> ordered runs, and what of them is still to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from yolo_dropout.base.text import rate_text
from yolo_dropout.spec.study_spec import StudySpec


@dataclass(frozen=True)
class Run:
    """One training: one seed, one rate, and in a cross-validation one fold. Runs sort by seed, fold, rate."""

    seed: int
    rate: float
    fold: int | None = None

    def __lt__(self, other: Run) -> bool:
        return self._place < other._place

    @property
    def _place(self) -> tuple[int, int, float]:
        return self.seed, -1 if self.fold is None else self.fold, self.rate

    @property
    def name(self) -> str:
        """Name of the run's folder, such as `p0.10-s3` or `p0.10-s3-f0`; the rate is written in full."""
        short = f"{self.rate:.2f}"
        fold = "" if self.fold is None else f"-f{self.fold}"
        return f"p{short if float(short) == self.rate else repr(self.rate)}-s{self.seed}{fold}"

    @property
    def block(self) -> str:
        """What it shares with the runs that it is compared with, in words: `seed 3`, or `seed 3 fold 0`."""
        return f"seed {block_name(self.seed, self.fold)}"

    def __str__(self) -> str:
        return f"rate {rate_text(self.rate)} {self.block}"


def block_name(seed: int, fold: int | None = None) -> str:
    """A block in a column of seeds: `3`, or in a cross-validation `3 fold 0`."""
    return f"{seed}" if fold is None else f"{seed} fold {fold}"


def plan(spec: StudySpec) -> tuple[Run, ...]:
    """All runs of a spec, block by block, so that an interrupted study holds whole blocks."""
    folds = (None,) if spec.folds is None else range(spec.folds)
    return tuple(Run(seed, rate, fold) for seed in spec.seeds for fold in folds for rate in spec.rates)


def pending(runs: Iterable[Run], done: Collection[Run]) -> tuple[Run, ...]:
    """The runs that are not among `done`, in order."""
    return tuple(run for run in runs if run not in done)

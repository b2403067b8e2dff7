"""Spec -> ordered runs, and what of them is still to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from yolo_dropout.spec import StudySpec


@dataclass(frozen=True, order=True)
class Run:
    """One training: one seed, one rate. Runs sort seed-major."""

    seed: int
    rate: float

    @property
    def name(self) -> str:
        """Name of the run's folder, for instance `p0.10-s3`; the rate is written in full."""
        short = f"{self.rate:.2f}"
        return f"p{short if float(short) == self.rate else repr(self.rate)}-s{self.seed}"


def plan(spec: StudySpec) -> tuple[Run, ...]:
    """All runs of a spec, seed-major, so that an interrupted study holds whole blocks."""
    return tuple(Run(seed, rate) for seed in spec.seeds for rate in spec.rates)


def pending(runs: Iterable[Run], done: Collection[Run]) -> tuple[Run, ...]:
    """The runs that are not among `done`, in order."""
    return tuple(run for run in runs if run not in done)

"""Where and how the cells of the calibration are simulated, and how their tables look.

Every cell draws from its own generator, seeded by --seed and what the cell is, so the figures depend neither
on --processes nor on the other cells.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from simulated_studies import Cell, Course, Shares, fixed, sequential

Result = Shares | Course | tuple[float, ...]
Simulation = Callable[[Cell, int, np.random.Generator], Result]


@dataclass(frozen=True)
class Job:
    """One cell to simulate, picklable."""

    cell: Cell
    studies: int
    seed: int
    by: Simulation = fixed

    def generator(self) -> np.random.Generator:
        """The cell's own generator."""
        return np.random.default_rng([self.seed, zlib.crc32(repr(self.cell).encode())])


def run(job: Job) -> Result:
    return job.by(job.cell, job.studies, job.generator())


@dataclass(frozen=True)
class Lab:
    """Where and how cells are simulated.

    Attributes:
        studies: Studies per cell.
        seed: Seed of all cells.
        apply: Maps `run` over jobs, in one process or several.
        ordered: Whether studies are judged as those of rates, and not of named treatments.
    """

    studies: int
    seed: int
    apply: Callable[[Callable[[Job], Result], Sequence[Job]], list[Result]]
    ordered: bool = True

    def every(self, by: Simulation, cells: Sequence[Cell]) -> list[Result]:
        """The outcome of every cell by one way of deciding."""
        return self.apply(
            run, [Job(replace(cell, ordered=self.ordered), self.studies, self.seed, by) for cell in cells]
        )

    def fixed(self, cells: Sequence[Cell]) -> list[Shares]:
        """The outcome of every cell with a fixed number of seeds."""
        return [shares for shares in self.every(fixed, cells) if isinstance(shares, Shares)]

    def sequential(self, cells: Sequence[Cell]) -> list[Course]:
        """The outcome of every cell with seeds added until it is clear."""
        return [course for course in self.every(sequential, cells) if isinstance(course, Course)]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return f"### {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def share(value: float) -> str:
    return f"{value:.3f}".lstrip("0") if value < 1 else "1"

"""How often is the verdict wrong, and how often does it find what is there? Prints Markdown tables.

Every cell draws from its own generator, seeded by --seed and what the cell is, so the figures depend neither
on --processes nor on the other cells.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from simple_tests import NAMES, simple_tests
from simulated_studies import MORE_NOISES, NOISES, Cell, Course, Shares, fixed, sequential

SEEDS = (3, 5, 8)
RATES = (4, 6)
WITHIN = (0.0, 0.5, 0.9)


Result = Shares | Course | tuple[float, float, float]
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
    """

    studies: int
    seed: int
    apply: Callable[[Callable[[Job], Result], Sequence[Job]], list[Result]]

    def every(self, by: Simulation, cells: Sequence[Cell]) -> list[Result]:
        """The outcome of every cell by one way of deciding."""
        return self.apply(run, [Job(cell, self.studies, self.seed, by) for cell in cells])

    def fixed(self, cells: Sequence[Cell]) -> list[Shares]:
        """The outcome of every cell with a fixed number of seeds."""
        return [shares for shares in self.every(fixed, cells) if isinstance(shares, Shares)]

    def sequential(self, cells: Sequence[Cell]) -> list[Course]:
        """The outcome of every cell with looks at 3, 5, 8, 12 ... seeds."""
        return [course for course in self.every(sequential, cells) if isinstance(course, Course)]


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return f"### {title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def share(value: float) -> str:
    return f"{value:.3f}".lstrip("0") if value < 1 else "1"


def grid(lab: Lab, rows: dict[str, Cell], rates: Sequence[int], read: Callable[[Shares], float]) -> list[list[str]]:
    """One row per named cell, one column for each number of seeds and rates."""
    cells = [replace(cell, seeds=n, rates=r) for cell in rows.values() for n in SEEDS for r in rates]
    found = [share(read(shares)) for shares in lab.fixed(cells)]
    width = len(SEEDS) * len(rates)
    return [[name, *found[i * width : (i + 1) * width]] for i, name in enumerate(rows)]


def false_use(lab: Lab) -> str:
    rows = {name: Cell(noise=name) for name in NOISES | MORE_NOISES}
    rows |= {f"normal, seeds correlate at {rho:g}": Cell(between=rho) for rho in WITHIN}
    rows |= {"normal, a tenth of the runs failed": Cell(failed=0.1)}
    rows |= {
        "5 folds, overlap corrected": Cell(folds=5),
        "5 folds, overlap ignored": Cell(folds=5, corrected=False),
    }
    body = grid(lab, rows, RATES, lambda shares: shares.use)
    naive = lab.fixed([replace(cell, seeds=1, rates=r) for cell in rows.values() for r in RATES])
    for i, row in enumerate(body):
        row += [share(shares.naive) for shares in naive[2 * i : 2 * i + 2]]
    head = ["noise", *(f"{n} seeds, {r} rates" for n in SEEDS for r in RATES)]
    return table('False "use r" under no effect', [*head, *(f"naive, {r} rates" for r in RATES)], body)


def power(lab: Lab) -> str:
    cells = [
        Cell(noise=name, seeds=n, effect=effect, size=2.0)
        for name in NOISES
        for n in SEEDS
        for effect in ("gain", "harm")
    ]
    found = lab.fixed(cells)
    rows = []
    for i, name in enumerate(NOISES):
        part = found[6 * i : 6 * i + 6]
        found_by = [*(s.use for s in part[::2]), *(s.harm for s in part[1::2]), part[0].naive_second]
        rows.append([name, *(share(value) for value in found_by)])
    head = ["noise", *(f"gain, {n} seeds" for n in SEEDS), *(f"harm, {n} seeds" for n in SEEDS), "gain, naive"]
    return table("A gain, or a harm, of two sd in one of 5 rates is found", head, rows)


def simpler(lab: Lab) -> str:
    rows = {f"no effect, {name}": Cell(name) for name in NOISES}
    rows["gain of two sd, normal"] = Cell(effect="gain", size=2.0)
    cells = [replace(cell, seeds=n) for cell in rows.values() for n in SEEDS]
    ours = [shares.use for shares in lab.fixed(cells)]
    others = [shares for shares in lab.every(simple_tests, cells) if isinstance(shares, tuple)]
    body = []
    for i, name in enumerate(rows):
        part = slice(i * len(SEEDS), (i + 1) * len(SEEDS))
        tests = [ours[part], *zip(*others[part], strict=True)]
        body.append([name, *(" ".join(share(value) for value in test) for test in tests)])
    head = ['"use" is said after 3 5 8 seeds', "this method", *NAMES]
    return table("Three simple tests beside it, 5 rates", head, body)


def keeping(lab: Lab) -> str:
    rows = {}
    for effect, size, said in (("gain", None, "wrong: a gain of one control sd"), ("none", 0.0, "right: no effect")):
        for noise in ("normal", "Student t4", "one rate 3x noisier", "control 2x noisier"):
            for rho in WITHIN:
                rows[f"{said}, {noise}, correlation {rho:g}"] = Cell(noise, effect=effect, size=size, between=rho)
    rows["right: all rates do harm of 1 sd, normal, correlation 0.5"] = Cell(effect="all harm", size=1.0, between=0.5)
    body = grid(lab, rows, RATES, lambda shares: shares.keep)
    head = ["keep 0.0 is said", *(f"{n} seeds, {r} rates" for n in SEEDS for r in RATES)]
    return table('"Keep 0.0"', head, body)


SCENARIOS = {
    "no effect": ("none", 0.0),
    "gain 1 sd": ("gain", 1.0),
    "gain 1.5 sd": ("gain", 1.5),
    "gain 2 sd": ("gain", 2.0),
    "all harm 1 sd": ("all harm", 1.0),
}


def until_clear(lab: Lab) -> str:
    rows = []
    for most in (12, 17):
        for rates in (4, 5, 6):
            base = Cell(rates=rates, seeds=most)
            cells = [replace(base, effect=effect, size=size) for effect, size in SCENARIOS.values()]
            courses = dict(zip(SCENARIOS, lab.sequential(cells), strict=True))
            same = {name: same_power(lab, name, courses[name].use, base) for name in SCENARIOS if "gain" in name}
            for name, course in courses.items():
                n = same.get(name, same["gain 2 sd"])
                cost = [f"{course.runs:.1f}", f"{n:.1f} x {rates}", f"{course.runs / (n * rates):.0%}"]
                rows.append([str(most), str(rates), name, share(course.use), share(course.keep), *cost])
    head = ["most seeds", "rates", "truth", "use", "keep", "mean runs", "fixed design, same power", "runs needed"]
    return table("Until it is clear: looks at 3, 5, 8, 12 (17) seeds", head, rows)


def same_power(lab: Lab, scenario: str, wanted: float, base: Cell) -> float:
    """Seeds, interpolated, at which the fixed design has the wanted power."""
    effect, size = SCENARIOS[scenario]
    seeds = range(3, base.seeds + 3)
    found = lab.fixed([replace(base, seeds=n, effect=effect, size=size) for n in seeds])
    return float(np.interp(wanted, np.maximum.accumulate([shares.use for shares in found]), seeds))


def false_use_until_clear(lab: Lab) -> str:
    names = list(NOISES | MORE_NOISES)
    kinds = [(most, rates) for most in (12, 17) for rates in (4, 6)]
    courses = lab.sequential([Cell(name, seeds=m, rates=r) for name in names for m, r in kinds])
    rows = [[name, *(share(c.use) for c in courses[4 * i : 4 * i + 4])] for i, name in enumerate(names)]
    head = ["noise", *(f"up to {m} seeds, {r} rates" for m, r in kinds)]
    return table('Until it is clear: false "use r" over all looks', head, rows)


TABLES = (false_use, power, simpler, keeping, until_clear, false_use_until_clear)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20_000, help="simulated studies per cell (default 20000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all cells (default 0)")
    parser.add_argument("--quick", action="store_true", help="500 studies per cell, to see that it runs")
    parser.add_argument("--processes", type=int, default=1, help="processes to use (default 1)")
    options = parser.parse_args(arguments)
    studies = 500 if options.quick else options.studies
    print(f"{studies} studies per cell, seed {options.seed}; standard error at .05: {(0.0475 / studies) ** 0.5:.4f}\n")
    with ProcessPoolExecutor(options.processes) as pool:
        lab = Lab(studies, options.seed, lambda job, jobs: list(pool.map(job, jobs)))
        for make in TABLES:
            print(make(lab), flush=True)


if __name__ == "__main__":
    main()

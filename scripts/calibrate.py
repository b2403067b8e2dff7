"""How often is the verdict wrong, and how often does it find what is there? Prints Markdown tables.

Every cell draws from its own generator, seeded by --seed and what the cell is, so the figures depend neither
on --processes nor on the other cells.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
from calibrate_looks import false_use_by_hand, false_use_until_clear, keep_until_clear, second_look, until_clear
from lab import Lab, share, table
from noises import MASKS_ALONE, MORE_NOISES, NOISES, null_pools, paired_pools
from other_rules import NAMES, other_rules
from scipy import stats
from simulated_studies import Cell, Shares, over_pools

from yolo_dropout.decision import decide

SEEDS = (3, 5, 8)
RATES = (4, 6)
WITHIN = (0.0, 0.5, 0.9)


def grid(lab: Lab, rows: dict[str, Cell], rates: Sequence[int], read: Callable[[Shares], float]) -> list[list[str]]:
    """One row per named cell, one column for each number of seeds and rates."""
    cells = [replace(cell, seeds=n, rates=r) for cell in rows.values() for n in SEEDS for r in rates]
    found = [share(read(shares)) for shares in lab.fixed(cells)]
    width = len(SEEDS) * len(rates)
    return [[name, *found[i * width : (i + 1) * width]] for i, name in enumerate(rows)]


def false_use(lab: Lab) -> str:
    rows = {name: Cell(noise=name) for name in [*NOISES, *MORE_NOISES, *null_pools()]}
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


def beside(lab: Lab) -> str:
    noises = [*NOISES, MASKS_ALONE, *paired_pools()]
    rows = {f"no effect, {name}": Cell(name) for name in noises}
    rows |= {f"gain of two sd, {name}": Cell(name, effect="gain", size=2.0) for name in noises}
    cells = [replace(cell, seeds=n) for cell in rows.values() for n in SEEDS]
    ours = [shares.use for shares in lab.fixed(cells)]
    others = [shares for shares in lab.every(other_rules, cells) if isinstance(shares, tuple)]
    body = []
    for i, name in enumerate(rows):
        part = slice(i * len(SEEDS), (i + 1) * len(SEEDS))
        tests = [ours[part], *zip(*others[part], strict=True)]
        body.append([name, *(" ".join(share(value) for value in test) for test in tests)])
    head = ['"use" is said after 3 5 8 seeds', "this method", *NAMES]
    return table("Other rules beside it, 5 rates", head, body)


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


def real_noise(lab: Lab) -> str:
    pools = null_pools()
    found = [pair for pair in lab.every(over_pools, [Cell(name, rates=4) for name in pools]) if isinstance(pair, tuple)]
    rows = []
    for (name, pool), (use, error) in zip(pools.items(), found, strict=True):
        alike = np.unique(pool, return_counts=True)[1]
        ties = float((alike * (alike - 1)).sum() / (pool.size * (pool.size - 1)))
        shape = [f"{value:.2g}" for value in (pool.std(ddof=1), stats.skew(pool), stats.kurtosis(pool))]
        rows.append([name, str(pool.size), *shape, share(ties), share(use), share(error)])
    head = ["noise", "runs", "sd", "skewness", "excess kurtosis", "pairs of runs that tie"]
    return table("The real runs", [*head, "false use, 5 seeds, 4 rates", "its standard error over pools"], rows)


def duration(lab: Lab) -> str:
    scores = np.random.default_rng(lab.seed).normal(size=(1000, 8, 6))
    begun = time.process_time()
    for study in scores:
        decide(study, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5))
    took_ms = time.process_time() - begun
    return f"`decide` takes {took_ms:.2f} ms of one core for 8 seeds x 6 rates, the mean of 1000 studies."


TABLES = (
    false_use,
    real_noise,
    power,
    beside,
    keeping,
    second_look,
    until_clear,
    keep_until_clear,
    false_use_until_clear,
    false_use_by_hand,
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20_000, help="simulated studies per cell (default 20000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all cells (default 0)")
    parser.add_argument("--quick", action="store_true", help="500 studies per cell, to see that it runs")
    parser.add_argument("--named", action="store_true", help="judge as named treatments, not as rates")
    parser.add_argument("--processes", type=int, default=1, help="processes to use (default 1)")
    options = parser.parse_args(arguments)
    studies = 500 if options.quick else options.studies
    print(f"{studies} studies per cell, seed {options.seed}; standard error at .05: {(0.0475 / studies) ** 0.5:.4f}\n")
    begun = time.perf_counter()
    with ProcessPoolExecutor(options.processes) as pool:
        lab = Lab(studies, options.seed, lambda job, jobs: list(pool.map(job, jobs)), not options.named)
        for make in TABLES:
            print(make(lab), flush=True)
    # How long it takes is a fact of the machine and no part of the tables.
    print(f"{duration(lab)} All tables took {time.perf_counter() - begun:.0f} s.", file=sys.stderr)


if __name__ == "__main__":
    main()

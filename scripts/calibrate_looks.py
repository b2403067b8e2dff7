"""The tables of `calibrate.py` for studies that add seeds until it is clear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from lab import Lab, share, table
from noises import MORE_NOISES, NOISES, null_pools
from simulated_studies import BY_HAND, Cell, by_hand

MOST_SEEDS = (12, 17)
SCENARIOS = {
    "no effect": ("none", 0.0),
    "gain 1 sd": ("gain", 1.0),
    "gain 1.5 sd": ("gain", 1.5),
    "gain 2 sd": ("gain", 2.0),
    "all harm 1 sd": ("all harm", 1.0),
}


def until_clear(lab: Lab) -> str:
    rows = []
    for most in MOST_SEEDS:
        needed = []
        for rates in (4, 5, 6):
            base = Cell(rates=rates, seeds=most)
            cells = [replace(base, effect=effect, size=size) for effect, size in SCENARIOS.values()]
            courses = dict(zip(SCENARIOS, lab.sequential(cells), strict=True))
            same = {name: same_power(lab, name, courses[name].use, base) for name in SCENARIOS if "gain" in name}
            for name, course in courses.items():
                n = same.get(name, same["gain 2 sd"])
                needed.append(course.runs / (n * rates))
                cost = [f"{course.runs:.1f}", f"{n:.1f} x {rates}", f"{needed[-1]:.1%}"]
                rows.append([str(most), str(rates), name, share(course.use), share(course.keep), *cost])
        rows.append([str(most), "all", "mean of the rows", "", "", "", "", f"{np.mean(needed):.1%}"])
    head = ["most seeds", "rates", "truth", "use", "keep", "mean runs", "fixed design, same power", "runs needed"]
    return table("Until it is clear: a look after every seed from the third on", head, rows)


def same_power(lab: Lab, scenario: str, wanted: float, base: Cell) -> float:
    """Seeds, interpolated, at which the fixed design has the wanted power."""
    effect, size = SCENARIOS[scenario]
    seeds = range(3, base.seeds + 3)
    found = lab.fixed([replace(base, seeds=n, effect=effect, size=size) for n in seeds])
    return float(np.interp(wanted, np.maximum.accumulate([shares.use for shares in found]), seeds))


def false_use_until_clear(lab: Lab) -> str:
    cells = {name: Cell(noise=name) for name in [*NOISES, *MORE_NOISES, *null_pools()]}
    cells |= {f"normal, seeds correlate at {rho:g}": Cell(between=rho) for rho in (0.5, 0.9)}
    kinds = [(most, rates) for most in MOST_SEEDS for rates in (4, 6)]
    courses = lab.sequential([replace(cell, seeds=m, rates=r) for cell in cells.values() for m, r in kinds])
    rows = [[name, *(share(c.use) for c in courses[4 * i : 4 * i + 4])] for i, name in enumerate(cells)]
    head = ["noise", *(f"up to {m} seeds, {r} rates" for m, r in kinds)]
    return table('Until it is clear: false "use r" over all looks', head, rows)


def false_use_by_hand(lab: Lab) -> str:
    base = {name: Cell(noise=name, seeds=BY_HAND[-1][-1]) for name in NOISES}
    base |= {f"normal, seeds correlate at {rho:g}": replace(base["normal"], between=rho) for rho in (0.5, 0.9)}
    found = lab.every(by_hand, [replace(cell, rates=r) for cell in base.values() for r in (4, 6)])
    shares = [values for values in found if isinstance(values, tuple)]
    rows = [[name, *map(share, (*shares[2 * i], *shares[2 * i + 1]))] for i, name in enumerate(base)]
    courses = ("3 seeds", "3, 5, 8, 12 seeds", "3, 4, 5 ... 12 seeds")
    head = ["noise", *(f"{course}, {r} rates" for r in (4, 6) for course in courses)]
    return table('Seeds added by hand while undecided: false "use r" in the end', head, rows)

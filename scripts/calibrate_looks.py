"""The tables of `calibrate.py` for studies that add seeds until it is clear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from lab import Lab, share, table
from noises import MORE_NOISES, NOISES, null_pools
from simulated_studies import BY_HAND, PLANNED, Cell, by_hand, planned

MOST_SEEDS = (12, 17)
SCENARIOS = {
    "no effect": ("none", 0.0),
    "gain 1 sd": ("gain", 1.0),
    "gain 1.5 sd": ("gain", 1.5),
    "gain 2 sd": ("gain", 2.0),
    "all harm 1 sd": ("all harm", 1.0),
}
# How alike the runs of a seed are, where it is asked how often "keep" is said.
WITHIN = (0.0, 0.5, 0.9)


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


def keep_until_clear(lab: Lab) -> str:
    truths = {
        "right: no effect": ("none", 0.0),
        "right: all harm 1 sd": ("all harm", 1.0),
        "wrong: a gain of one control sd": ("gain", None),
    }
    rows, most = [], MOST_SEEDS[0]
    for name, (effect, size) in truths.items():
        for rates in (2, 3, 5):
            cells = [Cell(rates=rates, seeds=most, effect=effect, size=size, between=rho) for rho in WITHIN]
            fixed = [lab.fixed([replace(cell, seeds=n) for cell in cells]) for n in (8, most)]
            courses = lab.sequential(cells)
            shares = [
                [f"{share(c.keep)} ({c.runs:.0f})" for c in courses],
                *([share(f.keep) for f in of] for of in fixed),
            ]
            rows.append([name, str(rates), *(" / ".join(part) for part in shares)])
    head = [f"up to {most} seeds (mean runs)", "8 seeds", f"{most} seeds"]
    within = " / ".join(f"{rho:g}" for rho in WITHIN)
    return table(f'Until it is clear: "keep 0.0", at correlation {within}', ["truth", "rates", *head], rows)


def second_look(lab: Lab) -> str:
    noises = {name: Cell(noise=name) for name in [*NOISES, *null_pools()] if name != "normal"}
    noises |= {f"normal, correlation {rho:g}": Cell(between=rho) for rho in (0.0, 0.5, 0.9)}
    rows = {f"no effect, {name}": cell for name, cell in noises.items()}
    for rho in (0.0, 0.5, 0.9):
        rows[f"gain of one control sd, correlation {rho:g}"] = Cell(effect="gain", size=None, between=rho)
        rows[f"gain of two sd, correlation {rho:g}"] = Cell(effect="gain", size=2.0, between=rho)
        rows[f"all harm 1 sd, correlation {rho:g}"] = Cell(effect="all harm", size=1.0, between=rho)
    counts = (2, 3, 5)
    cells = [replace(cell, seeds=PLANNED[0][-1], rates=r) for cell in rows.values() for r in counts]
    found = [values for values in lab.every(planned, cells) if isinstance(values, tuple)]
    body = []
    for i, name in enumerate(rows):
        for r, values in zip(counts, found[3 * i : 3 * i + 3], strict=True):
            body.append([name, str(r), *(" / ".join(map(share, values[k : k + 2])) for k in (0, 2, 6))])
    return table("Planned looks: use / keep", ["truth", "rates", "5 seeds", "5, 12 seeds", "5, 8, 12 seeds"], body)


def false_use_by_hand(lab: Lab) -> str:
    base = {name: Cell(noise=name, seeds=BY_HAND[-1][-1]) for name in NOISES}
    base |= {f"normal, seeds correlate at {rho:g}": replace(base["normal"], between=rho) for rho in (0.5, 0.9)}
    found = lab.every(by_hand, [replace(cell, rates=r) for cell in base.values() for r in (4, 6)])
    shares = [values for values in found if isinstance(values, tuple)]
    rows = [[name, *map(share, (*shares[2 * i], *shares[2 * i + 1]))] for i, name in enumerate(base)]
    courses = ("3 seeds", "3, 5, 8, 12 seeds", "3, 4, 5 ... 12 seeds")
    head = ["noise", *(f"{course}, {r} rates" for r in (4, 6) for course in courses)]
    return table('Seeds added by hand while undecided: false "use r" in the end', head, rows)

"""Simulated studies: scores with known effects, put through the very rule that `decide` applies.

`calibrate.py` makes the tables of docs/statistics.md from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from noises import drawn_from, noise_named, null_pools

from yolo_dropout.decision.levels import FEW_LOOKS, nominal_levels
from yolo_dropout.decision.rule import contrast, rule, spread
from yolo_dropout.decision.sequential import planned_looks, worth_more

FloatArray = npt.NDArray[np.float64]
ALPHA = 0.05
# Numbers of seeds at which a person looks.
BY_HAND = ((3,), (3, 5, 8, 12), tuple(range(3, 13)))
# Numbers of seeds of a study that was planned for a second look, or for one more.
PLANNED = ((5, 12), (5, 8, 12))
_POOLS = 200


@dataclass(frozen=True)
class Cell:
    """One set of simulated studies.

    Attributes:
        noise: A name that `noise_named` knows.
        seeds: Seeds per study; the most that may be run in a sequential one.
        rates: Rates, the control included.
        effect: "none", "gain" (the second rate), "harm" (the second rate) or "all harm".
        size: Size of the effect in sd of the residual noise; None for one sd of the control over seeds.
        between: Correlation between runs of one seed.
        failed: Share of runs that failed, at random.
        folds: Folds of a cross-validation, or 0.
        corrected: Whether the overlap of folds is corrected for.
        ordered: Whether they are judged as rates, and not as named treatments; nothing that is drawn depends on it.
    """

    noise: str = "normal"
    seeds: int = 5
    rates: int = 5
    effect: str = "none"
    size: float | None = 0.0
    between: float = 0.0
    failed: float = 0.0
    folds: int = 0
    corrected: bool = True
    ordered: bool = field(default=True, repr=False)

    def draw(self, rng: np.random.Generator, studies: int) -> FloatArray:
        """Scores, higher is better, control first, shape (studies, seeds, rates)."""
        shape = (studies, self.seeds, self.rates)
        noise = noise_named(self.noise)(rng, shape)
        seed_effect = rng.standard_normal((studies, self.seeds, 1))
        loss = np.sqrt(1 - self.between) * noise + np.sqrt(self.between) * seed_effect
        if self.folds:
            # Nadeau and Bengio's model: any two blocks correlate at n_val / n = 1 / K, rate by rate.
            shared = rng.standard_normal((studies, 1, self.rates))
            loss = np.sqrt(1 - 1 / self.folds) * loss + np.sqrt(1 / self.folds) * shared
        control_sd = 2.0 if self.noise == "control 2x noisier" else 1.0
        relevant = np.sqrt((1 - self.between) * control_sd**2 + self.between)
        size = relevant if self.size is None else self.size
        if self.effect == "all harm":
            loss[..., 1:] += size
        elif self.effect != "none":
            loss[..., 1] += size if self.effect == "harm" else -size
        loss[rng.random(shape) < self.failed] = np.nan
        return np.asarray(-loss)


@dataclass(frozen=True)
class Shares:
    """Shares of studies.

    Attributes:
        use: The verdict is to use some rate.
        keep: The verdict is to keep 0.0.
        harm: The second rate is said to do harm.
        naive: One seed, the best score taken: some rate other than 0.0 wins.
        naive_second: One seed, the best score taken: the second rate wins.
    """

    use: float
    keep: float
    harm: float
    naive: float
    naive_second: float


def fixed(cell: Cell, studies: int, rng: np.random.Generator) -> Shares:
    """Simulate studies with a fixed number of seeds."""
    gains = cell.draw(rng, studies)
    overlap = 1 / (cell.folds - 1) if cell.folds and cell.corrected else 0.0
    found = rule(contrast(gains, overlap, ordered=cell.ordered), ALPHA, spread(gains[..., 0]))
    naive = np.where(np.isfinite(gains[:, 0]), gains[:, 0], -np.inf).argmax(-1)
    return Shares(
        float(found.use.mean()),
        float(found.keep.mean()),
        float((found.high[:, 0] < 0).mean()),
        float((naive > 0).mean()),
        float((naive == 1).mean()),
    )


def over_pools(cell: Cell, studies: int, rng: np.random.Generator) -> tuple[float, float]:
    """How well a pool of real runs says how often "use" is said: a bootstrap over its runs.

    Returns:
        The share of "use", as its mean over resampled pools; and its standard error, without the part that
        comes from simulating no more studies.
    """
    each = max(studies // 50, 20)
    shares = []
    for _ in range(_POOLS):
        pool = null_pools()[cell.noise]
        gains = -drawn_from(rng.choice(pool, pool.size))(rng, (each, cell.seeds, cell.rates))
        shares.append(float(rule(contrast(gains, ordered=cell.ordered), ALPHA, spread(gains[..., 0])).use.mean()))
    simulated = float(np.mean([p * (1 - p) for p in shares])) / (each - 1)
    return float(np.mean(shares)), max(0.0, float(np.var(shares, ddof=1)) - simulated) ** 0.5


def by_hand(cell: Cell, studies: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Studies with a fixed number of seeds, to which somebody adds seeds as long as they are undecided.

    Returns:
        The share of "use" in the end, for each of `BY_HAND`.
    """
    gains = cell.draw(rng, studies)
    rulings = {
        n: rule(contrast(gains[:, :n], ordered=cell.ordered), ALPHA, spread(gains[:, :n, 0])) for n in BY_HAND[-1]
    }
    shares = []
    for course in BY_HAND:
        use, undecided = 0, np.ones(studies, dtype=bool)
        for ruling in (rulings[n] for n in course):
            use += int((undecided & ruling.use).sum())
            undecided &= ~(ruling.use | ruling.keep)
        shares.append(use / studies)
    return tuple(shares)


def planned(cell: Cell, studies: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Studies that get more seeds while undecided, as was planned.

    Returns:
        The shares of use and keep at the first look and over all, for each of `PLANNED`.
    """
    gains = cell.draw(rng, studies)
    shares: list[float] = []
    for looks in PLANNED:
        levels, ended = nominal_levels(looks, ALPHA, FEW_LOOKS), np.zeros((2, studies), dtype=bool)
        for n, level in zip(looks, levels, strict=True):
            ruling = rule(contrast(gains[:, :n], ordered=cell.ordered), level, spread(gains[:, :n, 0]))
            ended |= ~ended.any(0) & np.stack([ruling.use, ruling.keep])
            shares += ended.mean(1).tolist() if n in (looks[0], looks[-1]) else []
    return tuple(shares)


@dataclass(frozen=True)
class Course:
    """Sequential studies: shares of use and keep, mean runs."""

    use: float
    keep: float
    runs: float


def sequential(cell: Cell, studies: int, rng: np.random.Generator) -> Course:
    """Simulate studies that add seeds until it is clear; `next_step` for many studies at once."""
    gains = cell.draw(rng, studies)
    plan = planned_looks(cell.seeds)
    levels = nominal_levels(plan, ALPHA)
    live, active = np.arange(studies), np.ones((studies, cell.rates - 1), dtype=bool)
    own_level, excluded = np.full(active.shape, levels[0]), ~active
    use = keep = runs = 0
    for look, (n, level) in enumerate(zip(plan, levels, strict=True)):
        seen = gains[live, :n]
        runs += int((n - (plan[look - 1] if look else 0)) * (1 + active[live].sum(-1)).sum())
        own_level[active] = level
        found = contrast(seen, ordered=cell.ordered)
        ruling = rule(found, own_level[live], spread(seen[..., 0]), excluded[live])
        excluded[live] = ruling.excluded
        use, keep = use + int(ruling.use.sum()), keep + int(ruling.keep.sum())
        active[live] = worth_more(found, active[live], ruling.excluded)
        gains[:, n:, 1:][np.broadcast_to(~active[:, None], gains[:, n:, 1:].shape)] = np.nan
        live = live[~(ruling.use | ruling.keep) & active[live].any(-1)]
        if not live.size:
            break
    return Course(use / studies, keep / studies, runs / studies)

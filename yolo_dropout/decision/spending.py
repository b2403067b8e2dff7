"""How much of alpha each look may spend."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import optimize, special

from yolo_dropout.decision.scores import FloatArray

# Power of the spending function alpha * (n / n_last) ** power: little at 3 seeds, where the variance is
# hardly known, and most at the end. Chosen by simulation, see docs/statistics.md.
_POWER = 2.5

_GRID = 601


def spent(looks: tuple[int, ...], alpha: float) -> FloatArray:
    """Alpha spent up to and with each look, shape (n_looks,)."""
    share = np.asarray(looks, np.float64) / looks[-1]
    return np.asarray(alpha * share**_POWER)


@lru_cache(maxsize=64)
def nominal_levels(looks: tuple[int, ...], alpha: float) -> tuple[float, ...]:
    """One-sided level of each look, such that all looks together spend alpha.

    Exact for a normal mean that is looked at after `looks` observations: the density of its sum over paths
    that have not yet crossed is carried from look to look on a grid (Armitage, McPherson and Rowe, 1969,
    J. R. Stat. Soc. A 132, 235-244).

    Args:
        looks: Seeds at each look, rising.
        alpha: Level over all looks.

    Returns:
        The nominal level of each look, between 0 and alpha.
    """
    share = np.asarray(looks, np.float64) / looks[-1]
    increments = np.diff(spent(looks, alpha), prepend=0.0)
    sums, mass, before = np.zeros(1), np.ones(1), 0.0
    levels = []
    for now, increment in zip(share, increments, strict=True):
        step = np.sqrt(now - before)
        bound = optimize.brentq(_excess, -9.0, 9.0, args=(sums, mass, step, increment))
        levels.append(float(special.ndtr(-bound / np.sqrt(now))))
        grid = np.linspace(bound - 12, bound, _GRID)
        weight = np.full(_GRID, grid[1] - grid[0])
        weight[[0, -1]] /= 2
        density = np.exp(-(((grid[:, None] - sums) / step) ** 2) / 2) / (step * np.sqrt(2 * np.pi))
        sums, mass, before = grid, weight * (density @ mass), now
    return tuple(levels)


def _excess(bound: float, sums: FloatArray, mass: FloatArray, step: float, increment: float) -> float:
    """Probability that the sum first crosses `bound` at this look, less what may be spent on it."""
    return float(mass @ special.ndtr((sums - bound) / step)) - increment

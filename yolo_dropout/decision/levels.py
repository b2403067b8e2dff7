"""Critical values, for several rates that share one control and for several looks at the same seeds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from yolo_dropout.decision.scores import FloatArray
from yolo_dropout.errors import ScoresError

_SHARED_NODES, _SCALE_NODES = 24, 32
# Of two statistics that share the control, of named treatments. It is 1/2 at equal noise, and less where the control is
# steadier than they are; there 1/2 would be wrong too often. Calibrated by simulation, see docs/statistics.md.
CORRELATION = 0.45
# Powers of the spending function alpha * (n / n_last) ** power, chosen by simulation, see docs/statistics.md. With a
# look after every seed: little at 3 seeds, where the variance is hardly known, and most at the end.
EVERY_SEED = 2.5
# With few looks, of which the first is often the last.
FEW_LOOKS = 1.0
_GRID = 601


def tail_probability(
    statistics: npt.ArrayLike, n_rates: int, df: float, correlation: float = CORRELATION
) -> FloatArray:
    """P(the largest of `n_rates` t statistics that share one control exceeds a value) under no effect.

    Dunnett (1955), A multiple comparison procedure for comparing several treatments with a control, J. Am. Stat.
    Assoc. 50, 1096-1121. One-sided, equal correlation; two nested Gauss rules, so it always gives the same digits.

    Args:
        statistics: Values to exceed, any shape.
        n_rates: Number of rates that are compared with the control.
        df: Degrees of freedom of the variance, above 0.
        correlation: Of any two of the statistics, in [0, 1).

    Returns:
        One-sided p-values, adjusted for all rates, in the shape of `statistics`.
    """
    shared, shared_weight, scale, scale_weight = _rules(df)
    scaled = np.multiply.outer(np.asarray(statistics, np.float64), scale)
    bound = (scaled[..., None] + np.sqrt(correlation) * shared) / np.sqrt(1 - correlation)
    below = (special.ndtr(bound) ** n_rates @ shared_weight) @ scale_weight
    return np.asarray(np.clip(1 - below, 0.0, 1.0))


@lru_cache(maxsize=64)
def _rules(df: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Nodes and weights for the shared normal variable and for the estimated scale at `df`."""
    shared, shared_weight = np.polynomial.hermite_e.hermegauss(_SHARED_NODES)
    node, node_weight = np.polynomial.legendre.leggauss(_SCALE_NODES)
    low, high = np.sqrt(special.chdtri(df, [1 - 1e-12, 1e-12]) / df)
    scale = low + (high - low) * (node + 1) / 2
    # The density of sqrt(chi2 / df); its constant drops out where the weights are normed.
    scale_weight = node_weight * np.exp((df - 1) * np.log(scale) - df * (scale**2 - 1) / 2)
    return shared, shared_weight / shared_weight.sum(), scale, scale_weight / scale_weight.sum()


@lru_cache(maxsize=1024)
def critical_value(alpha: float, n_rates: int, df: float, correlation: float = CORRELATION) -> float:
    """Dunnett's one-sided critical value: `tail_probability` of it is `alpha`, in (0, 0.5)."""

    def excess(value: float) -> float:
        return float(tail_probability(value, n_rates, df, correlation)) - alpha

    upper = 4.0
    while excess(upper) > 0:
        upper *= 2
    return float(optimize.brentq(excess, 0.0, upper, xtol=1e-10))


def spent(looks: tuple[int, ...], alpha: float, power: float = EVERY_SEED) -> FloatArray:
    """Alpha spent up to and with each look, shape (n_looks,)."""
    return np.asarray(alpha * (np.asarray(looks, np.float64) / looks[-1]) ** power)


@lru_cache(maxsize=64)
def nominal_levels(looks: tuple[int, ...], alpha: float, power: float = EVERY_SEED) -> tuple[float, ...]:
    """One-sided level of each look, between 0 and alpha, such that all looks together spend alpha.

    Exact for a normal mean that is looked at after `looks` observations, rising: the density of its sum over paths
    that have not yet crossed is carried from look to look on a grid (Armitage, McPherson and Rowe, 1969,
    J. R. Stat. Soc. A 132, 235-244).
    """
    share = np.asarray(looks, np.float64) / looks[-1]
    increments = np.diff(spent(looks, alpha, power), prepend=0.0)
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


def planned_levels(looks: Sequence[int], n_seeds: int, alpha: float) -> tuple[float, float]:
    """The levels of a look at `n_seeds` and of the last one that is planned.

    Raises:
        ScoresError: The looks do not rise from 1 on, or none is at `n_seeds`.
    """
    rising = all(now > before for before, now in itertools.pairwise((0, *looks)))
    if not rising or n_seeds not in looks:
        raise ScoresError(f"looks: must rise and hold {n_seeds}, the number of seeds, got {[*looks]}")
    if len(looks) == 1:
        return alpha, alpha
    levels = np.minimum(nominal_levels(tuple(looks), alpha, FEW_LOOKS), alpha)
    return float(levels[looks.index(n_seeds)]), float(levels[-1])


def _excess(bound: float, sums: FloatArray, mass: FloatArray, step: float, increment: float) -> float:
    """Probability that the sum first crosses `bound` at this look, less what may be spent on it."""
    return float(mass @ special.ndtr((sums - bound) / step)) - increment

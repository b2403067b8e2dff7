"""Dunnett's distribution: the largest of several t statistics that share one control.

Source: Dunnett (1955), A multiple comparison procedure for comparing several treatments with a control,
J. Am. Stat. Assoc. 50, 1096-1121. One-sided, equal correlation; two nested Gauss rules, so it is quick
and always gives the same digits.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

FloatArray = npt.NDArray[np.float64]

_SHARED_NODES = 24
_SCALE_NODES = 32
# Of two statistics, which share the control; exact for equal noise.
_CORRELATION = 0.5


@lru_cache(maxsize=64)
def _rules(df: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Nodes and weights for the shared normal variable and for the estimated scale at `df`."""
    shared, shared_weight = np.polynomial.hermite_e.hermegauss(_SHARED_NODES)
    node, node_weight = np.polynomial.legendre.leggauss(_SCALE_NODES)
    low, high = np.sqrt(special.chdtri(df, [1 - 1e-12, 1e-12]) / df)
    scale = low + (high - low) * (node + 1) / 2
    # The density of sqrt(chi2 / df); its constant drops out where the weights are normed.
    density = np.exp((df - 1) * np.log(scale) - df * (scale**2 - 1) / 2)
    scale_weight = node_weight * density
    return shared, shared_weight / shared_weight.sum(), scale, scale_weight / scale_weight.sum()


def tail_probability(statistics: npt.ArrayLike, n_rates: int, df: float) -> FloatArray:
    """P(the largest of `n_rates` t statistics exceeds a value) under no effect.

    Args:
        statistics: Values to exceed, any shape.
        n_rates: Number of rates that are compared with the control.
        df: Degrees of freedom of the common variance, above 0.

    Returns:
        One-sided p-values, adjusted for all rates, in the shape of `statistics`.
    """
    shared, shared_weight, scale, scale_weight = _rules(df)
    scaled = np.multiply.outer(np.asarray(statistics, np.float64), scale)
    bound = (scaled[..., None] + np.sqrt(_CORRELATION) * shared) / np.sqrt(1 - _CORRELATION)
    below = (special.ndtr(bound) ** n_rates @ shared_weight) @ scale_weight
    return np.asarray(np.clip(1 - below, 0.0, 1.0))


@lru_cache(maxsize=1024)
def critical_value(alpha: float, n_rates: int, df: float) -> float:
    """The value that the largest of `n_rates` t statistics exceeds with probability `alpha`.

    Args:
        alpha: Family-wise level, in (0, 0.5).
        n_rates: Number of rates that are compared with the control.
        df: Degrees of freedom of the common variance, above 0.

    Returns:
        Dunnett's one-sided critical value.
    """

    def excess(value: float) -> float:
        return float(tail_probability(value, n_rates, df)) - alpha

    upper = 4.0
    while excess(upper) > 0:
        upper *= 2
    return float(optimize.brentq(excess, 0.0, upper, xtol=1e-10))

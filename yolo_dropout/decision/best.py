"""Of treatments: which may be the best of all, how large a gain that was found is, and whether parts do as well."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, special

from yolo_dropout.decision.rule import MIN_BLOCKS, contrast, rule
from yolo_dropout.decision.scores import FloatArray


def may_be_best(gains: FloatArray, level: float, overlap: float = 0.0) -> list[int]:
    """The treatments, the control among them, that no other is shown to beat: multiple comparisons with the best.

    Each takes the control's place once. The best of all is left out with probability `level` at most, since that takes
    a false find against it.

    Args:
        gains: Scores, higher is better, shape (n_blocks, n_treatments); NaN where missing.
        level: One-sided error level for all of them together.
        overlap: As `contrast` takes it.

    References:
        Hsu 1984, "Constrained simultaneous confidence intervals for multiple comparisons with the best", Annals of
        Statistics 12.
    """
    firsts = [contrast(_first(gains, i), overlap, ordered=False) for i in range(gains.shape[1])]
    return [i for i, found in enumerate(firsts) if not rule(found, level, np.nan).use]


def expected_gain(difference: float, error: float, low: float) -> float:
    """A gain that was found, less what its being found adds to it on average: only large ones are.

    The likeliest gain, given that the measured one is larger than its limit's reach; noise is taken as normal.

    Args:
        difference: Measured gain.
        error: Its standard error.
        low: Its lower limit, above 0.

    References:
        Zhong and Prentice 2008, "Bias-reduced estimators and confidence intervals for odds ratios in genome-wide
        association studies", Biostatistics 9.
    """
    measured, reach = difference / error, (difference - low) / error

    def excess(gain: float) -> float:
        """How far the mean of what is found lies above what was measured."""
        beyond = reach - gain
        return gain + math.exp(-(beyond**2) / 2 - float(special.log_ndtr(-beyond))) / math.sqrt(2 * math.pi) - measured

    return min(difference, error * float(optimize.brentq(excess, 0.0, measured))) if excess(0.0) < 0 else 0.0


def not_beaten(gains: FloatArray, whole: int, parts: Sequence[int], level: float, overlap: float = 0.0) -> list[int]:
    """Those parts of a combination that it is not shown to beat.

    That it beats each of them is one claim, which takes no correction for several. The noise is drawn towards that of
    all, as of named treatments; arguments as for `may_be_best`.

    References:
        Berger 1982, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24.
    """
    left = []
    for part in parts:
        found = contrast(_first(gains, part), overlap, ordered=False)
        alone = found._replace(compared=np.asarray(1))  # the degrees of freedom stay those of all
        place = whole - (whole > part)
        if not (found.n[place] >= MIN_BLOCKS and rule(alone, level, np.nan).low[place] > 0):
            left.append(part)
    return left


def _first(gains: FloatArray, i: int) -> FloatArray:
    return np.concatenate([gains[:, [i]], np.delete(gains, i, axis=1)], axis=1)

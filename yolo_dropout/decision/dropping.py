"""Which rates get no more seeds, because they fall behind.

Dropping adds no false wins: the bounds of the other rates stay as high as they were with all of them, and a dropped
rate is still held to the level of its last look. So the reasons to drop may be chosen for the runs they save alone.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from yolo_dropout.decision.contrast import MIN_BLOCKS, Contrasts, degrees_of_freedom
from yolo_dropout.decision.dunnett import critical_value
from yolo_dropout.decision.rule import BoolArray

# A rate is hopeless when it wins at the last look with less than this probability, even if its true gain
# is one standard error above the one seen.
_HOPELESS = 0.2


def worth_more(found: Contrasts, active: BoolArray, *, n: int, most: int, level: float) -> BoolArray:
    """Which rates get more seeds: those that neither trail the best one nor are hopeless.

    A rate trails when the best one is ahead by more than a standard error; closer ones count as equally good,
    as they do in the verdict. Stages that thin out the rates: Magirr, Jaki and Whitehead (2012), Biometrika 99,
    494-501. A rate is hopeless when it can hardly win any more, the stochastic curtailment of Lan, Simon and
    Halperin (1982), Sequential Analysis 1, 207-219.

    Args:
        found: The contrasts after n seeds, arrays of shape (..., n_rates - 1).
        active: Rates that have not been dropped before, shape (..., n_rates - 1).
        n: Seeds so far.
        most: Seeds at the last look.
        level: Nominal level of the last look.

    Returns:
        True for rates to go on with, shape (..., n_rates - 1). A rate with less than three blocks is not
        dropped, and drops no other.
    """
    if n >= most:
        return active
    known = active & (found.n >= MIN_BLOCKS)
    best = np.where(known, found.difference, -np.inf).max(-1, keepdims=True)
    trails = found.difference < best - found.error
    return np.asarray(active & ~(known & (trails | _hopeless(found, n, most, level))))


def _hopeless(found: Contrasts, n: int, most: int, level: float) -> BoolArray:
    count = found.n.shape[-1]
    spread = found.error * np.sqrt(np.maximum(found.n, 1))
    needed = critical_value(level, count, float(degrees_of_freedom(most, count))) * spread / np.sqrt(most)
    hoped = found.difference + found.error
    expected = (n * found.difference + (most - n) * hoped) / most
    chance = special.ndtr((expected - needed) * most / (spread * np.sqrt(most - n)))
    return np.asarray(chance < _HOPELESS)

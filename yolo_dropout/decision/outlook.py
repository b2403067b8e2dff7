"""What it would take to know more: seeds needed, under the noise seen so far."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from yolo_dropout.decision.contrast import MIN_BLOCKS, Contrasts, degrees_of_freedom
from yolo_dropout.decision.dunnett import critical_value
from yolo_dropout.decision.scores import FloatArray

# Normal quantile of the power that planning aims at, 0.8.
POWER_Z = float(special.ndtri(0.8))

# Nobody trains more seeds than this; beyond it the answer is "too many to say".
_MOST_BLOCKS = 500

_MANY_DF = 1e4


def blocks_needed(found: Contrasts, level: float, relevant: float | None, n_blocks: int) -> int | None:
    """Blocks, in all, that settle the best-looking rate with probability 0.8.

    Settled means that its interval excludes either no gain or a relevant gain, whichever comes first,
    if its mean and noise stay what they are now.

    Args:
        found: The contrasts so far.
        level: Nominal level of the intervals.
        relevant: Gain that matters; None if unknown.
        n_blocks: Blocks so far; the best-looking rate may have fewer.

    Returns:
        The number of blocks, at least 3 and more than there are; None if 500 are not enough.
    """
    compared = int(found.compared)
    if not compared:
        return MIN_BLOCKS
    least = MIN_BLOCKS if (found.n >= MIN_BLOCKS).any() else 2
    best = int(np.argmax(np.where(found.n >= least, found.difference, -np.inf)))
    difference, n = float(found.difference[best]), int(found.n[best])
    margin = max(difference, (relevant or 0.0) - difference)
    blocks = np.arange(max(n_blocks + 1, MIN_BLOCKS), _MOST_BLOCKS + 1)
    spread = float(found.error[best]) / np.sqrt(1 / n)
    reach = _quantiles(level, compared, degrees_of_freedom(blocks, compared)) + POWER_Z
    enough = reach * spread * np.sqrt(1 / blocks) <= margin
    return int(blocks[enough.argmax()]) if enough.any() else None


def _quantiles(level: float, compared: int, df: npt.NDArray[np.float64]) -> FloatArray:
    """Dunnett's critical values for many df at once, by the usual expansion of t about the normal."""
    z = critical_value(level, compared, _MANY_DF)
    return z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)

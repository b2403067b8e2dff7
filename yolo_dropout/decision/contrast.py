"""The core of the method: every rate against the control, for one study or for many at once.

The standard error of a rate takes the larger of two variances of the paired differences: the mean over
all rates, and the rate's own. The mean is steady (it has several times the degrees of freedom) and holds
the noise of the control in full; the own one keeps a single noisy rate from passing for a good one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from yolo_dropout.decision.scores import FloatArray

# Blocks below which a rate may be shown with an interval, but not chosen.
MIN_BLOCKS = 3

# Squared correlation of differences that share a control, as it enters the degrees of freedom: 1/4 would be
# exact for the mean variance and equal noise; the larger of two variances needs less, and ever less with
# more blocks. Calibrated by simulation, see docs/statistics.md.
_SHARED = 0.45

# Differences below this share of the largest score are rounding, not noise.
ROUNDING = 1e-12


class Contrasts(NamedTuple):
    """Every rate against the control.

    Attributes:
        n: Blocks that hold both the rate and the control, shape (..., n_rates - 1).
        difference: Mean improvement over the control, shape (..., n_rates - 1); NaN where n is 0.
        error: Its standard error, shape (..., n_rates - 1); NaN where n is below 2.
        compared: Rates that have a standard error, shape (...).
        df: Degrees of freedom of the standard errors, shape (...); 0 where none is compared.
    """

    n: npt.NDArray[np.int64]
    difference: FloatArray
    error: FloatArray
    compared: npt.NDArray[np.int64]
    df: FloatArray


def contrast(gains: FloatArray, overlap: float = 0.0) -> Contrasts:
    """Mean paired differences to the control with their standard errors.

    Args:
        gains: Scores, higher is better, control first, shape (..., n_blocks, n_rates); NaN where missing.
        overlap: n_val / n_train of the folds when blocks share training images, else 0; the variance of a
            mean over n blocks is then (1/n + overlap) times that of one block (Nadeau and Bengio, 2003,
            Inference for the generalization error, Machine Learning 52).

    Returns:
        The contrasts of all rates other than the control.
    """
    paired = gains[..., 1:] - gains[..., :1]
    n = np.isfinite(paired).sum(-2)
    difference = np.nansum(paired, -2) / np.where(n > 0, n, np.nan)
    squares = np.nansum((paired - difference[..., None, :]) ** 2, -2)
    usable = n >= 2
    compared = usable.sum(-1)
    free = np.where(usable, n - 1, 0)
    total = free.sum(-1)
    mean_variance = np.where(usable, squares, 0).sum(-1) / np.where(total > 0, total, np.nan)
    # Divided by n - 1/2, not n - 1: an own variance on few blocks is too noisy to count in full.
    own_variance = squares / np.where(usable, n - 0.5, np.nan)
    floor = (ROUNDING * np.where(np.isfinite(gains), np.abs(gains), 0).max((-2, -1)) + 1e-150) ** 2
    variance = np.maximum(own_variance, np.maximum(mean_variance, floor)[..., None])
    error = np.sqrt(variance * (1 / np.where(usable, n, 1) + overlap))
    blocks = 1 + total / np.maximum(compared, 1)
    return Contrasts(n, difference, error, compared, degrees_of_freedom(blocks, compared))


def degrees_of_freedom(blocks: npt.ArrayLike, compared: npt.ArrayLike) -> FloatArray:
    """Degrees of freedom of the standard errors.

    Satterthwaite's formula for the mean of `compared` variances whose differences correlate through the
    control, with a squared correlation that was calibrated for the larger of mean and own variance.

    Args:
        blocks: Mean number of blocks per rate, any shape.
        compared: Number of rates other than the control, any shape.

    Returns:
        The degrees of freedom, in the common shape.
    """
    blocks, compared = np.asarray(blocks, np.float64), np.asarray(compared, np.float64)
    return np.asarray((blocks - 1) * compared / (1 + (compared - 1) * _SHARED / blocks))

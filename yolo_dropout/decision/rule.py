"""The core of the method, for one study or for many at once: rates against the control, and what that allows to say.

`decide` and the calibration share these lines, so what is calibrated is what is used. What dropout adds to the noise of
paired differences is taken not to get less as its rate rises, so the variance of a rate is its own, but not below that
of lower rates: isotonic regression (Barlow, Bartholomew, Bremner and Brunk 1972, Statistical Inference under Order
Restrictions). Nor is it below half of its own, so that one noisy rate among steady ones is not taken for steady.

Named treatments have no such order. Their variance is their own, drawn towards the mean over all: the mean is steady
(it has several times the degrees of freedom); the own one keeps a single noisy treatment from passing for a good one,
and a steady one from drowning in the noise of the others. That is the moderated variance of Smyth (2004), Statistical
Applications in Genetics and Molecular Biology 3, with a fixed weight.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from yolo_dropout.decision.levels import CORRELATION, critical_value
from yolo_dropout.decision.scores import BoolArray, FloatArray

# Blocks below which a rate may be shown with an interval, but not chosen.
MIN_BLOCKS = 3
# Degrees of freedom that the mean variance counts for beside a treatment's own. Calibrated, see docs/statistics.md.
_MEAN_WEIGHT = 3.0
# What the correlation of two rates counts for: it is 1/2 under equal noise, and less where one is noisier.
_OF_RATES = 0.2
# A rate's variance counts for at least so much of its own: a noisy rate below steady ones is not averaged away.
_LEAST_OWN = 0.5
# Squared correlation of differences that share a control, at equal noise.
_SHARED = 0.25
# Differences below this share of the largest score are rounding, not noise.
_ROUNDING = 1e-12
# Paired differences closer than this share of the largest are equal: accuracies are printed with five decimals.
_SAME = 2.3e-3


class Contrasts(NamedTuple):
    """Every rate against the control.

    Attributes:
        n: Blocks that hold both the rate and the control, shape (..., n_rates - 1).
        difference: Mean improvement over the control, shape (..., n_rates - 1); NaN where n is 0.
        error: Its standard error, shape (..., n_rates - 1); NaN where n is below 2.
        compared: Rates that have a standard error, shape (...).
        df: Degrees of freedom of the standard errors, shape (..., n_rates - 1); 0 where there is none.
        slack: Half the step in which a mean difference moves where scores tie, as accuracies do, else 0, shape
            (..., n_rates - 1): the correction for continuity of Yates (1934), J. R. Stat. Soc. Suppl. 1.
        ordered: Whether they are rates, and not named treatments.
    """

    n: npt.NDArray[np.int64]
    difference: FloatArray
    error: FloatArray
    compared: npt.NDArray[np.int64]
    df: FloatArray
    slack: FloatArray
    ordered: bool = True

    @property
    def correlation(self) -> float:
        """What the correlation of two comparisons counts for."""
        return _OF_RATES if self.ordered else CORRELATION


def contrast(gains: FloatArray, overlap: float = 0.0, *, ordered: bool = True) -> Contrasts:
    """Mean paired differences to the control with their standard errors.

    Args:
        gains: Scores, higher is better, control first, shape (..., n_blocks, n_rates); NaN where missing.
        overlap: n_val / n_train of the folds when blocks share training images, else 0; the variance of a
            mean over n blocks is then (1/n + overlap) times that of one block (Nadeau and Bengio, 2003,
            Inference for the generalization error, Machine Learning 52).
        ordered: Whether they are rates, ascending, and not named treatments.
    """
    paired = gains[..., 1:] - gains[..., :1]
    n = np.isfinite(paired).sum(-2)
    difference = np.nansum(paired, -2) / np.where(n > 0, n, np.nan)
    squares = np.nansum((paired - difference[..., None, :]) ** 2, -2)
    usable = n >= 2
    compared = usable.sum(-1)
    own = np.where(usable, n - 1, 0)
    if ordered:
        least = _LEAST_OWN * squares / np.maximum(own, 1)
        variance, df = np.maximum(_rising(squares, own), least), own.astype(np.float64)
    else:
        total = own.sum(-1)
        mean = np.where(usable, squares, 0).sum(-1) / np.where(total > 0, total, np.nan)
        variance = (_MEAN_WEIGHT * mean[..., None] + squares) / (_MEAN_WEIGHT + own)
        of_all = degrees_of_freedom(1 + total / np.maximum(compared, 1), compared)
        df = np.where(usable, of_all[..., None], 0.0)
    half_step = _step(paired) / 2
    rounding = _ROUNDING * np.where(np.isfinite(gains), np.abs(gains), 0).max((-2, -1)) + 1e-150
    # Where scores tie, differences that do not vary are known no better than to half a step.
    known = np.maximum(rounding, half_step)[..., None] ** 2
    error = np.sqrt(np.maximum(variance, known) * (1 / np.where(usable, n, np.nan) + overlap))
    slack = half_step[..., None] / np.maximum(n, 1)
    return Contrasts(n, difference, error, compared, df, slack, ordered)


def _rising(squares: FloatArray, weights: npt.NDArray[np.int64]) -> FloatArray:
    """The variances closest to squares / weights that do not fall along the last axis, by the min-max formula.

    What has no weight changes nothing, and gets some value.
    """
    upper = np.tri(squares.shape[-1], dtype=bool).T  # at [i, j] is what holds for i to j

    def sums(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.where(upper & (weights > 0)[..., None, :], values[..., None, :], 0).cumsum(-1)

    held = sums(weights)
    means = np.where(upper & (held > 0), sums(squares) / np.maximum(held, 1), np.inf)
    least = np.minimum.accumulate(means[..., ::-1], -1)[..., ::-1]
    return np.asarray(np.where(upper, least, -np.inf).max(-2))


def _step(paired: FloatArray) -> FloatArray:
    """The smallest difference between unequal values, shape (...); 0 where no two are equal, as of most losses."""
    values = paired.reshape(*paired.shape[:-2], -1)
    equal = _SAME * np.nanmax(np.abs(values), -1, initial=0.0)[..., None]
    ties = (np.diff(np.sort(values)) <= equal).any(-1)
    # No difference is a value too, so that equal ones are a step and not without noise.
    gaps = np.diff(np.sort(np.concatenate((values, np.zeros_like(values[..., :1])), -1)))
    least = np.where(gaps > equal, gaps, np.inf).min(-1, initial=np.inf)
    return np.asarray(np.where(ties & np.isfinite(least), least, 0.0))


def degrees_of_freedom(blocks: npt.ArrayLike, compared: npt.ArrayLike) -> FloatArray:
    """Degrees of freedom of moderated variances, for the mean number of blocks per treatment and those compared.

    Satterthwaite's formula for a variance and the mean of `compared` of them, whose differences correlate through the
    control. With one treatment it is that of the paired t test.
    """
    own, compared = np.asarray(blocks, np.float64) - 1, np.asarray(compared, np.float64)
    of_mean = (1 + (compared - 1) * _SHARED) / np.maximum(compared, 1)  # variance of the mean, in that of one
    weight = _MEAN_WEIGHT
    return np.asarray(own * (own + weight) ** 2 / (own**2 + weight * (weight + 2 * own) * of_mean))


def with_more(found: Contrasts, place: int, blocks: npt.NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Standard deviation and degrees of freedom of a comparison with so many blocks, if variances stay as they are now.

    With more of them a named treatment's own variance counts for more, and the mean of all for less.
    """
    variance = found.error**2 * found.n
    if found.ordered:
        return np.full(blocks.shape, np.sqrt(variance[place])), np.asarray(blocks - 1, np.float64)
    mean, n = float(np.nanmean(variance)), int(found.n[place])
    own = max(0.0, ((_MEAN_WEIGHT + n - 1) * float(variance[place]) - _MEAN_WEIGHT * mean) / (n - 1))
    noise = np.sqrt((_MEAN_WEIGHT * mean + (blocks - 1) * own) / (_MEAN_WEIGHT + blocks - 1))
    return np.asarray(noise), degrees_of_freedom(blocks, found.compared)


class Ruling(NamedTuple):
    """What the contrasts allow to say.

    Attributes:
        low: Simultaneous lower limits of the improvement, shape (..., n_rates - 1).
        high: Simultaneous upper limits, shape (..., n_rates - 1).
        judged: Whether any rate had enough blocks for a verdict, shape (...).
        use: Whether some rate beats the control, shape (...).
        excluded: Which rates cannot have a relevant gain, or were never tried, shape (..., n_rates - 1).
        keep: Whether no rate beats the control and all are excluded, shape (...).
        chosen: Position of the rate to use, shape (...); meaningless unless use.
    """

    low: FloatArray
    high: FloatArray
    judged: BoolArray
    use: BoolArray
    excluded: BoolArray
    keep: BoolArray
    chosen: npt.NDArray[np.intp]


def rule(found: Contrasts, level: npt.ArrayLike, relevant: npt.ArrayLike, excluded: npt.ArrayLike = False) -> Ruling:
    """Apply the rule of docs/statistics.md.

    Args:
        found: The contrasts, arrays of shape (..., n_rates - 1), rates ascending.
        level: One-sided level of the limits, for all rates at once, a scalar; or one for the limits of each
            rate, shape (..., n_rates - 1).
        relevant: Gain that matters, shape (...) or a scalar; NaN where unknown.
        excluded: Rates that an earlier look has excluded, in the shape of `found`.
    """
    critical = _critical_values(level, found.compared[..., None], found.df, found.correlation)
    reach = critical * found.error + found.slack
    low, high = found.difference - reach, found.difference + reach
    judged = found.n >= MIN_BLOCKS
    winner = judged & (low > 0)
    use = winner.any(-1)
    best = np.where(winner, found.difference, -np.inf).argmax(-1)[..., None]
    close = np.take_along_axis(found.difference - found.error, best, -1)
    chosen = (winner & (found.difference >= close)).argmax(-1)
    out = np.asarray((judged & (high <= np.asarray(relevant)[..., None])) | (found.n == 0) | excluded)
    keep = ~use & judged.any(-1) & out.all(-1)
    return Ruling(low, high, np.asarray(judged.any(-1)), np.asarray(use), out, np.asarray(keep), chosen)


def _critical(level: float, compared: int, df: float, correlation: float) -> float:
    return critical_value(level, compared, df, correlation) if df else np.nan


_critical_values = np.vectorize(_critical, otypes=[np.float64])


def spread(control: FloatArray) -> FloatArray:
    """One standard deviation of the control across blocks: the gain that matters unless told otherwise.

    Args:
        control: The control's scores, shape (..., n_blocks); NaN where missing.

    Returns:
        Shape (...); NaN with fewer than two scores.
    """
    present = np.isfinite(control)
    n = present.sum(-1)
    mean = np.where(present, control, 0).sum(-1) / np.maximum(n, 1)
    squares = np.where(present, (control - mean[..., None]) ** 2, 0).sum(-1)
    return np.asarray(np.sqrt(squares / np.where(n > 1, n - 1, np.nan)))

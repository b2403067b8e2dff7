"""From contrasts to an outcome, for one study or for many at once.

`decide` and the calibration share these lines, so what is calibrated is what is used.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from yolo_dropout.decision.contrast import MIN_BLOCKS, Contrasts
from yolo_dropout.decision.dunnett import critical_value
from yolo_dropout.decision.scores import FloatArray

BoolArray = npt.NDArray[np.bool_]


class Ruling(NamedTuple):
    """What the contrasts allow to say.

    Attributes:
        low: Simultaneous lower limits of the improvement, shape (..., n_rates - 1).
        high: Simultaneous upper limits, shape (..., n_rates - 1).
        judged: Whether any rate had enough blocks for a verdict, shape (...).
        use: Whether some rate beats the control, shape (...).
        keep: Whether no rate does and every tried rate excludes a relevant gain, shape (...).
        chosen: Position of the rate to use, shape (...); meaningless unless use.
    """

    low: FloatArray
    high: FloatArray
    judged: BoolArray
    use: BoolArray
    keep: BoolArray
    chosen: npt.NDArray[np.intp]


def rule(found: Contrasts, level: npt.ArrayLike, relevant: npt.ArrayLike) -> Ruling:
    """Apply the rule of docs/statistics.md.

    Args:
        found: The contrasts, arrays of shape (..., n_rates - 1), rates ascending.
        level: One-sided level of the limits, for all rates at once, a scalar; or one for the limits of each
            rate, shape (..., n_rates - 1).
        relevant: Gain that matters, shape (...) or a scalar; NaN where unknown.

    Returns:
        Limits and outcome.
    """
    reach = _reach(found, level) * found.error
    low, high = found.difference - reach, found.difference + reach
    judged = found.n >= MIN_BLOCKS
    winner = judged & (low > 0)
    use = winner.any(-1)
    best = np.where(winner, found.difference, -np.inf).argmax(-1)[..., None]
    close = np.take_along_axis(found.difference - found.error, best, -1)
    chosen = (winner & (found.difference >= close)).argmax(-1)
    excluded = (judged & (high <= np.asarray(relevant)[..., None])) | (found.n == 0)
    keep = ~use & judged.any(-1) & excluded.all(-1)
    return Ruling(low, high, np.asarray(judged.any(-1)), np.asarray(use), np.asarray(keep), chosen)


def _reach(found: Contrasts, level: npt.ArrayLike) -> FloatArray:
    """Critical values, shape (..., n_rates - 1) or (..., 1); NaN where nothing is compared."""
    parts = (np.asarray(level), found.compared[..., None], found.df[..., None])
    # Sorting numbers is many times quicker than sorting rows.
    distinct, codes = zip(*(np.unique(part, return_inverse=True) for part in parts), strict=True)
    shaped = np.broadcast_arrays(*(code.reshape(part.shape) for code, part in zip(codes, parts, strict=True)))
    cells, where = np.unique(np.ravel_multi_index(shaped, [len(d) for d in distinct]), return_inverse=True)
    columns = (d[i] for d, i in zip(distinct, np.unravel_index(cells, [len(d) for d in distinct]), strict=True))
    values = [critical_value(float(at), int(n), float(df)) if n else np.nan for at, n, df in zip(*columns, strict=True)]
    return np.asarray(values)[where.reshape(shaped[0].shape)]


def spread(control: FloatArray) -> FloatArray:
    """One standard deviation of the control across blocks: the gain that matters unless told otherwise.

    Args:
        control: The control's scores, shape (..., n_blocks); NaN where missing.

    Returns:
        Shape (...); NaN with fewer than two scores.
    """
    present = np.isfinite(control)
    n = present.sum(-1)
    usable = n >= 2
    mean = np.where(present, control, 0).sum(-1) / np.maximum(n, 1)
    squares = np.where(present, (control - mean[..., None]) ** 2, 0).sum(-1)
    return np.where(usable, np.sqrt(squares / np.where(usable, n - 1, 1)), np.nan)

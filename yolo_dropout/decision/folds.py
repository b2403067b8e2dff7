"""Runs of a cross-validation -> one row per fold.

Seeds of one fold share its images, so they are no blocks of their own: counted as such, what one fold's images do
would pass for several confirmations. Their mean is one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from yolo_dropout.decision.scores import FloatArray
from yolo_dropout.errors import ScoresError


class Folded(NamedTuple):
    """A cross-validation as `contrast` takes it.

    Attributes:
        gains: One row per fold, mean over its seeds, shape (n_folds, n_rates); NaN where nothing is paired.
        overlap: n_val / n_train of the folds.
        seeds: Runs per fold and rate, at most.
        noise: One standard deviation of the control across seeds within a fold; None with one seed per fold.
    """

    gains: FloatArray
    overlap: float
    seeds: int
    noise: float | None


def fold_rows(gains: FloatArray, folds: npt.ArrayLike) -> Folded:
    """One row per fold: the control's mean, and beside it the mean paired difference of each rate.

    Args:
        gains: Control first, shape (n_blocks, n_rates); NaN where missing.
        folds: Fold of each row, shape (n_blocks,).

    Raises:
        ScoresError: There is not one fold per row, or only one fold in all.
    """
    labels = np.asarray(folds)
    if labels.shape != gains.shape[:1]:
        raise ScoresError(f"folds: must have one entry per row of scores, got shape {labels.shape} for {len(gains)}")
    ordered, labels = gains[order := np.lexsort(gains.T)], labels[order]
    blocks = [ordered[labels == fold] for fold in np.unique(labels)]
    if len(blocks) < 2:
        raise ScoresError(f"folds: there must be at least 2, got {len(blocks)}; leave folds out")
    rows = []
    for block in blocks:
        control = _mean(block[:, :1])
        rows.append(np.concatenate([control, control + _mean(block[:, 1:] - block[:, :1])]))
    return Folded(np.array(rows), 1 / (len(blocks) - 1), max(map(_paired, blocks)), _noise([b[:, 0] for b in blocks]))


def _paired(block: FloatArray) -> int:
    """Seeds of a fold that hold a comparison."""
    return int((np.isfinite(block[:, 0]) & np.isfinite(block[:, 1:]).any(1)).sum())


def _mean(values: FloatArray) -> FloatArray:
    n = np.isfinite(values).sum(0)
    return np.asarray(np.nansum(values, 0) / np.where(n > 0, n, np.nan))


def _noise(controls: list[FloatArray]) -> float | None:
    present = [control[np.isfinite(control)] for control in controls]
    free = sum(max(0, len(control) - 1) for control in present)
    squares = sum(float(((control - control.mean()) ** 2).sum()) for control in present if len(control))
    return float(np.sqrt(squares / free)) if free and squares > 0 else None

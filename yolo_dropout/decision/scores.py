"""What `decide` accepts: checked, turned so that more is better, and put in one fixed order."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from yolo_dropout.base.text import named, noun, rate_text
from yolo_dropout.errors import ScoresError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def read_scores(
    scores: npt.ArrayLike, treatments: npt.ArrayLike, higher_is_better: bool
) -> tuple[FloatArray, tuple[str, ...]]:
    """Check scores and treatments; return them with the control first and higher meaning better.

    Args:
        scores: Shape (n_seeds, n_treatments); NaN where a run is missing or failed.
        treatments: Names in the order of the columns, the control first; or rates in any order, 0.0 the control.
        higher_is_better: False for a loss, True for mAP or accuracy.

    Returns:
        gains of shape (n_seeds, n_treatments), higher is better, and the names; those of rates in ascending order.

    Raises:
        ScoresError: Ragged, empty, infinite or misshapen scores; rates without 0.0; treatments doubled, or only one.
    """
    table, names, order = _floats(scores, "scores"), *_columns(treatments)
    _check_table(table, names)
    return (table if higher_is_better else -table)[:, order], tuple(names[place] for place in order)


def _columns(treatments: npt.ArrayLike) -> tuple[list[str], list[int]]:
    """The names of the columns, and the places of these in the order in which they are preferred."""
    names = np.asarray(treatments, dtype=object).ravel().tolist()
    if names and all(isinstance(name, str) for name in names):
        if len(names) < 2 or len({*names}) < len(names):
            raise ScoresError(f"treatments: need the control and others, each once, got {names}; one name per column")
        return names, list(range(len(names)))
    rates = _floats(treatments, "rates")
    _check_rates(rates)
    return [rate_text(rate) for rate in rates.tolist()], np.argsort(rates).tolist()


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

    Seeds of one fold share its images, so they are no blocks of their own: counted as such, what one fold's images
    do would pass for several confirmations. Their mean is one.

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
    rows = [_mean(block[:, :1]) + np.append(0.0, _mean(block[:, 1:] - block[:, :1])) for block in blocks]
    seeds = max(int(np.isfinite(block[:, 1:] - block[:, :1]).any(1).sum()) for block in blocks)
    return Folded(np.array(rows), 1 / (len(blocks) - 1), seeds, _noise([block[:, 0] for block in blocks]))


def _mean(values: FloatArray) -> FloatArray:
    n = np.isfinite(values).sum(0)
    return np.asarray(np.nansum(values, 0) / np.where(n > 0, n, np.nan))


def _noise(controls: list[FloatArray]) -> float | None:
    present = [control[np.isfinite(control)] for control in controls]
    free = sum(max(0, len(control) - 1) for control in present)
    squares = sum(float(((control - control.mean()) ** 2).sum()) for control in present if len(control))
    return float(np.sqrt(squares / free)) if free and squares > 0 else None


def check_options(alpha: float, relevant: float | None = None) -> None:
    """Refuse options that make no sense.

    Raises:
        ScoresError: alpha or relevant is out of range.
    """
    if not 0 < alpha < 0.5:
        raise ScoresError(f"alpha: must be in (0, 0.5), got {alpha!r}; 0.05 is usual")
    if relevant is not None and not 0 < relevant < math.inf:
        raise ScoresError(f"relevant: must be a finite gain above 0, got {relevant!r}; None takes the control's sd")


def checked_level(level: npt.ArrayLike, n_rates: int, alpha: float) -> FloatArray:
    """A level for each of `n_rates` rates.

    Raises:
        ScoresError: It is outside (0, alpha], or of another shape.
    """
    levels = _floats(level, "level")
    if levels.shape not in ((), (n_rates,)) or not ((levels > 0) & (levels <= alpha)).all():
        raise ScoresError(f"level: must be in (0, {alpha:g}], one or {n_rates} of them, got {_short(level)}")
    return np.broadcast_to(levels, n_rates)


def _floats(values: npt.ArrayLike, field: str) -> FloatArray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        rule = f"must be numbers in full rows, got {_short(values)}; put NaN where a run is missing"
        raise ScoresError(f"{field}: {rule}") from error


def _short(values: object) -> str:
    text = " ".join(repr(values).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _check_rates(rates: FloatArray) -> None:
    if rates.ndim != 1:
        raise ScoresError(f"rates: must be a flat list, got shape {rates.shape}; give one rate per column")
    if rates.size < 2:
        raise ScoresError(f"rates: need the control 0.0 and at least one other, got {rates.tolist()}; add a rate")
    outside = rates[~((rates >= 0) & (rates < 1))]
    if outside.size:
        raise ScoresError(f"rates: each must be in [0, 1), got {outside[0]:g}")
    if 0.0 not in rates:
        raise ScoresError(f"rates: the control 0.0 must be among them, got {rates.tolist()}; add 0.0")
    if np.unique(rates).size < rates.size:
        raise ScoresError(f"rates: each may appear once, got {rates.tolist()}; put repeated runs in rows (seeds)")


def _check_table(table: FloatArray, names: list[str]) -> None:
    if table.ndim != 2 or table.shape[1] != len(names):
        rule = f"must have shape (n_seeds, {len(names)}), one column per {noun(names)}"
        raise ScoresError(f"scores: {rule}, got shape {table.shape}")
    if np.isnan(table).all():
        raise ScoresError("scores: must hold at least one finished run, got none; run the study first")
    if np.isinf(table).any():
        row, column = np.argwhere(np.isinf(table))[0]
        found = f"{table[row, column]} in row {row} at {named(names[column])}"
        raise ScoresError(f"scores: must be finite, or NaN for a failed run, got {found}; mark a diverged run as NaN")

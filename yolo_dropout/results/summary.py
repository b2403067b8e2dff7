"""Results and scores of a study -> one row per rate."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import stats

from yolo_dropout.folder.results_csv import VAL_LOSS, Results
from yolo_dropout.results.table import Table, score_of
from yolo_dropout.spec.score import Score

_ROUNDING = 1e-12


def overfitting_gap(results: Results) -> float:
    """How far the validation loss has drifted up: mean of the last tenth of the epochs minus the minimum."""
    last = max(1, round(len(results.epochs) / 10))
    lowest = score_of(results, Score(VAL_LOSS, "min"))
    gap = score_of(results, Score(VAL_LOSS, "last", last)) - lowest
    return 0.0 if gap < _ROUNDING * abs(lowest) else gap


def summary(table: Table, table_scores: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """One row per rate.

    Args:
        table: The runs' results.
        table_scores: Their scores, as `scores` gives them.
        gaps: Their overfitting gaps, arranged as the scores.

    Returns:
        Columns rate; n, mean, sd, low, high of the score (95 % t interval of the mean over seeds, or over folds,
        corrected for their overlap; nan below two of them); epoch (mean epoch of the lowest validation loss); gap
        (mean overfitting gap); metric and metric_mean (the task's headline metric, its largest value in each run,
        mean over runs).
    """
    headline = Score(table.headline or "", "max")
    seeds = set(table_scores.index.get_level_values("seed"))  # others may be there from before, and count for nothing
    rows = []
    for rate in table_scores.columns.astype(float):
        results = [table.results[run] for run in sorted(table.results) if run.rate == rate and run.seed in seeds]
        tops = (score_of(item, headline) for item in results if headline.metric in item.metrics)
        about = {"epoch": _mean(map(_epoch_of_minimum, results)), "gap": _mean(gaps[rate])}
        more = {"metric": headline.metric, "metric_mean": _mean(tops)}
        rows.append({"rate": rate} | _interval(table_scores[rate]) | about | more)
    return pd.DataFrame(rows)


def _interval(scores: pd.Series[float]) -> dict[str, float]:
    folded, values = "fold" in scores.index.names, scores.dropna()
    blocks = values.groupby(level="fold").mean() if folded else values
    n, half = len(blocks), math.nan
    if n > 1:
        # As `decide` takes it: folds that lack a score overlap all the same.
        overlap = 1 / (scores.index.get_level_values("fold").nunique() - 1) if folded else 0.0
        half = float(stats.t.ppf(0.975, n - 1)) * float(blocks.std()) * math.sqrt(1 / n + overlap)
    mean = float(blocks.mean())
    return {"n": len(values), "mean": mean, "sd": float(values.std()), "low": mean - half, "high": mean + half}


def _epoch_of_minimum(results: Results) -> float:
    curve = results.curve(VAL_LOSS)
    return float(results.epochs[np.nanargmin(curve)]) if np.isfinite(curve).any() else math.nan


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan

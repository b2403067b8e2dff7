"""Results of many runs -> tidy curves, scores and a summary by rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from yolo_dropout.errors import InputError
from yolo_dropout.plan import Run
from yolo_dropout.results import VAL_LOSS, Results, read_results
from yolo_dropout.score import Score

HEADLINE_METRICS = (
    "metrics/mAP50-95(M)",
    "metrics/mAP50-95(P)",
    "metrics/mAP50-95(B)",
    "metrics/accuracy_top1",
    "metrics/mIoU",
    "metrics/delta1",
)


@dataclass(frozen=True)
class Table:
    """The results of a study's runs, in order, and what had to be repaired or left out."""

    results: Mapping[Run, Results]
    notes: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics that any run has, in the order of `results.csv`."""
        return tuple(dict.fromkeys(name for results in self.results.values() for name in results.metrics))

    @property
    def headline(self) -> str | None:
        """The metric that people quote for this task: mAP50-95, accuracy, mIoU; None when there is none."""
        return next((name for name in HEADLINE_METRICS if name in self.metrics), None)


def read_table(runs: Mapping[Run, Path], read: Callable[[Path], Results] = read_results) -> Table:
    """Read the `results.csv` of every run.

    Args:
        runs: Path of `results.csv` by run.
        read: Reads one; by default from its file.
    """
    results: dict[Run, Results] = {}
    notes: list[str] = []
    for run in sorted(runs):
        try:
            results[run] = read(runs[run])
        except InputError as error:
            notes.append(f"{error}; the run is left out")
            continue
        notes.extend(results[run].notes)
    return Table(results, tuple(notes))


def curves(table: Table) -> pd.DataFrame:
    """Every value of every run, one per row.

    Returns:
        Columns rate, seed, epoch, metric, value; sorted by rate, seed, then as in `results.csv`.
    """
    runs = sorted(table.results, key=lambda run: (run.rate, run.seed))
    blocks = [table.results[run] for run in runs]
    sizes = np.array([block.matrix.size for block in blocks], dtype=np.int64)
    codes = {name: code for code, name in enumerate(table.metrics)}
    metric = [
        np.repeat(np.array([codes[name] for name in block.metrics], np.int16), len(block.epochs)) for block in blocks
    ]
    return pd.DataFrame(
        {
            "rate": np.repeat(np.array([run.rate for run in runs], dtype=np.float64), sizes),
            "seed": np.repeat(np.array([run.seed for run in runs], dtype=np.int64), sizes),
            "epoch": _joined([np.tile(block.epochs, len(block.metrics)) for block in blocks], np.int64),
            "metric": pd.Categorical.from_codes(_codes(metric), categories=pd.Index(table.metrics)),
            "value": _joined([block.matrix.ravel(order="F") for block in blocks], np.float64),
        }
    )


def _codes(parts: Sequence[NDArray[np.integer[Any]]]) -> NDArray[np.int16]:
    codes: NDArray[np.int16] = _joined(parts, np.int16)
    return codes


def _joined(parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.empty(0, dtype)


def score_of(results: Results, score: Score) -> float:
    """One number for one run; nan when the training diverged there.

    Raises:
        InputError: The run lacks the metric.
    """
    curve = results.curve(score.metric)
    if score.at == "best":
        value = curve[results.best_row]
    elif score.at == "last":
        value = curve[-score.k :].mean()
    else:
        finite = curve[np.isfinite(curve)]
        extreme = min if score.at == "min" else max
        value = extreme(finite, default=math.nan)
    return float(value) if math.isfinite(value) else math.nan


def scores(table: Table, score: Score, rates: Iterable[float], seeds: Iterable[int]) -> pd.DataFrame:
    """The score of every run.

    Args:
        table: The runs' results.
        score: How a curve becomes a number.
        rates: The columns, of which the first is the control.
        seeds: The rows.

    Returns:
        One row per seed (the index), one column per rate; nan where a run is missing or has diverged.

    Raises:
        InputError: The runs lack the metric.
    """
    rates, seeds = list(rates), list(seeds)
    cells = [[_cell(table, Run(seed, rate), score) for rate in rates] for seed in seeds]
    return pd.DataFrame(
        np.array(cells, dtype=np.float64).reshape(len(seeds), len(rates)),
        index=pd.Index(seeds, name="seed", dtype=np.int64),
        columns=pd.Index(rates, name="rate", dtype=np.float64),
    )


def _cell(table: Table, run: Run, score: Score) -> float:
    results = table.results.get(run)
    return math.nan if results is None else score_of(results, score)


def overfitting_gap(results: Results) -> float:
    """How far the validation loss has drifted up: mean of the last tenth of the epochs minus the minimum."""
    last = max(1, round(len(results.epochs) / 10))
    return score_of(results, Score(VAL_LOSS, "last", last)) - score_of(results, Score(VAL_LOSS, "min"))


def summary(table: Table, table_scores: pd.DataFrame) -> pd.DataFrame:
    """One row per rate.

    Args:
        table: The runs' results.
        table_scores: Their scores, as `scores` gives them.

    Returns:
        Columns rate; n, mean, sd, low, high of the score (95 % t interval of the mean over seeds; nan below
        two seeds); epoch (mean epoch of the lowest validation loss); gap (mean overfitting gap); metric and
        metric_mean (the task's headline metric, its largest value in each run, mean over seeds).
    """
    headline = table.headline
    rows = []
    for rate, column in zip(table_scores.columns.astype(float), table_scores.to_numpy().T, strict=True):
        values = column[~np.isnan(column)]
        results = [table.results[run] for run in sorted(table.results) if run.rate == rate]
        rows.append(
            {"rate": rate, "n": len(values)}
            | _interval(values)
            | {
                "epoch": _mean(_epoch_of_minimum(item) for item in results),
                "gap": _mean(overfitting_gap(item) for item in results),
                "metric": headline or "",
                "metric_mean": _mean(
                    score_of(item, Score(headline, "max")) for item in results if headline in item.metrics
                )
                if headline
                else math.nan,
            }
        )
    return pd.DataFrame(rows)


def _interval(values: NDArray[np.float64]) -> dict[str, float]:
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    sd = float(values.std(ddof=1)) if n > 1 else math.nan
    half = float(stats.t.ppf(0.975, n - 1)) * sd / math.sqrt(n) if n > 1 else math.nan
    return {"mean": mean, "sd": sd, "low": mean - half, "high": mean + half}


def _epoch_of_minimum(results: Results) -> float:
    curve = results.curve(VAL_LOSS)
    return float(results.epochs[np.nanargmin(curve)]) if np.isfinite(curve).any() else math.nan


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan

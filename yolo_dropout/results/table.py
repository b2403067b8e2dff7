"""Results of many runs -> tidy curves, scores and a summary by treatment."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from yolo_dropout.base.text import Label, label_text
from yolo_dropout.errors import InputError
from yolo_dropout.folder.results_csv import VAL_LOSS, Results, headline_metric, read_results
from yolo_dropout.results.calibration import calibration_score
from yolo_dropout.results.shift import score_under_shift
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.score import CALIBRATION, Score

_ROUNDING = 1e-12


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
    def shifted(self) -> bool:
        """Whether any run was measured under shift."""
        return any(results.shift is not None for results in self.results.values())

    @property
    def measured(self) -> set[str]:
        """The options that had any run measured when it had ended; see `Score.measured_by`."""
        calibrated = any(results.calibration is not None for results in self.results.values())
        return {option for option, was in (("--shift", self.shifted), ("--calibration", calibrated)) if was}

    @property
    def headline(self) -> str | None:
        """The metric that people quote for this task; see `headline_metric`."""
        return headline_metric(self.metrics)


def read_table(runs: Mapping[Run, Path], read: Callable[[Path], Results] = read_results) -> Table:
    """Read the `results.csv` of every run, whose paths are given.

    Raises:
        InputError: Runs have different validation losses, so that their sums cannot be compared.
    """
    results: dict[Run, Results] = {}
    notes: list[str] = []
    for run in runs:
        try:
            results[run] = read(runs[run])
        except InputError as error:
            notes.append(f"{error}; the run is left out")
            continue
        notes.extend(results[run].notes)
    check_same_losses({runs[run]: found.metrics for run, found in results.items()})
    return Table(results, tuple(notes))


def check_same_losses(metrics: Mapping[Path, Sequence[str]]) -> None:
    """Refuse runs, or studies, of which one has other validation losses than the rest; an `InputError` names it."""
    losses = {path: {name for name in names if name.startswith("val/")} for path, names in metrics.items()}
    usual = Counter(map(frozenset, losses.values())).most_common(1)[0][0] if losses else frozenset()
    for path, names in losses.items():
        if names != usual:
            told = [*(f"lacks {x}" for x in sorted(usual - names)), *(f"has {x}" for x in sorted(names - usual))]
            raise InputError(
                f"{path}: {' and '.join(told)}, unlike the other runs, so their validation losses cannot be compared; "
                "mend its first line, or move the run away"
            )


def column(labels: Sequence[Label]) -> str:
    """What the column of tables is called that tells treatments apart: by their rates, or by their names."""
    return "treatment" if isinstance(labels[0], str) else "rate"


def curves(table: Table, labels: Sequence[Label]) -> pd.DataFrame:
    """Every value of every run, one per row; `labels` are the treatments in order, by their rates or their names.

    Returns:
        Columns rate (or treatment, a categorical of all labels), seed, epoch, metric, value, and in a cross-validation
        fold after seed; sorted by treatment, then as the runs are, then as in `results.csv`.
    """
    places = {label_text(label): place for place, label in enumerate(labels)}
    runs = sorted(table.results, key=lambda run: places[run.treatment])
    found = [table.results[run] for run in runs]
    codes = {name: code for code, name in enumerate(table.metrics)}
    metric = [np.repeat([codes[name] for name in item.metrics], len(item.epochs)) for item in found]

    def by_run(values: Iterable[Any], dtype: type[np.generic]) -> NDArray[Any]:
        return np.repeat(np.fromiter(values, dtype), [item.matrix.size for item in found])

    def joined(parts: Iterable[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
        return np.concatenate([np.empty(0, dtype), *parts], dtype=dtype, casting="same_kind")

    folded, named = any(run.fold is not None for run in runs), column(labels) == "treatment"
    treatment: Any = by_run((places[run.treatment] for run in runs), np.int64)
    treatment = (
        pd.Categorical.from_codes(treatment, pd.Index(list(map(str, labels)))) if named else np.array(labels)[treatment]
    )
    return pd.DataFrame(
        {
            column(labels): treatment,
            "seed": by_run((run.seed for run in runs), np.int64),
            **({"fold": by_run((run.fold for run in runs), np.int64)} if folded else {}),
            "epoch": joined([np.tile(item.epochs, len(item.metrics)) for item in found], np.int64),
            "metric": pd.Categorical.from_codes(joined(metric, np.int16), categories=pd.Index(table.metrics)),
            "value": joined([item.matrix.ravel(order="F") for item in found], np.float64),
        }
    )


def score_of(results: Results, score: Score) -> float:
    """One number for one run; nan when the training diverged there, an `InputError` when the run lacks the metric."""
    if score.measured_by:
        read = calibration_score if score.metric in CALIBRATION else score_under_shift
        return read(results, score.metric)
    curve = results.curve(score.metric)
    if score.at == "best":
        value = curve[results.best_row]
    elif score.at == "last":
        value = curve[-score.k :].mean()
    else:
        k = min(score.k, len(curve))
        means = np.convolve(curve, np.full(k, 1 / k), "valid")
        value = {"min": min, "max": max}[score.at](means[np.isfinite(means)], default=math.nan)
    return float(value) if math.isfinite(value) else math.nan


def scores(
    table: Table, score: Score, labels: Sequence[Label], seeds: Iterable[int], folds: int | None = None
) -> pd.DataFrame:
    """The score of every run.

    Returns:
        One row per seed (the index), or per seed and fold where there are `folds` of them, and one column per label,
        the control first; nan where a run is missing or has diverged.

    Raises:
        InputError: The runs lack the metric.
    """
    return by_block(table, lambda results: score_of(results, score), labels, seeds, folds)


def by_block(
    table: Table,
    value: Callable[[Results], float],
    labels: Sequence[Label],
    seeds: Iterable[int],
    folds: int | None = None,
) -> pd.DataFrame:
    """Any number per run, arranged as `scores` are; see there."""
    columns = pd.Index(list(labels), name=column(labels), dtype=object if column(labels) == "treatment" else np.float64)
    names = [label_text(label) for label in labels]
    index = pd.Index(list(seeds), name="seed", dtype=np.int64)
    blocks = [(seed, fold) for seed in index for fold in ((None,) if folds is None else range(folds))]
    found = [[table.results.get(Run(seed, name, fold)) for name in names] for seed, fold in blocks]
    cells = [[math.nan if results is None else value(results) for results in row] for row in found]
    rows = index if folds is None else pd.MultiIndex.from_tuples(blocks, names=["seed", "fold"])
    return pd.DataFrame(np.array(cells, dtype=np.float64).reshape(len(blocks), len(columns)), rows, columns)


def folds_of(scores: pd.DataFrame) -> NDArray[np.int64] | None:
    """The fold of each row of scores, as `decide` takes it; None outside a cross-validation."""
    if "fold" not in scores.index.names:
        return None
    return scores.index.get_level_values("fold").to_numpy(dtype=np.int64)


def overfitting_gap(results: Results) -> float:
    """How far the validation loss has drifted up: mean of the last tenth of the epochs minus the minimum."""
    last = max(1, round(len(results.epochs) / 10))
    lowest = score_of(results, Score(VAL_LOSS, "min"))
    gap = score_of(results, Score(VAL_LOSS, "last", last)) - lowest
    return 0.0 if gap < _ROUNDING * abs(lowest) else gap


def summary(table: Table, table_scores: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """One row per treatment, from the runs, their scores, and their overfitting gaps arranged as these.

    Returns:
        Columns rate (or treatment); n, mean, sd, low, high of the score (95 % t interval of the mean over seeds, or
        over folds, corrected for their overlap; nan below two of them); epoch (mean epoch of the lowest validation
        loss); gap (mean overfitting gap); metric and metric_mean (the task's headline metric, its largest value in
        each run, mean over runs).
    """
    headline = Score(table.headline or "", "max")
    seeds = set(table_scores.index.get_level_values("seed"))  # others may be there from before, and count for nothing
    rows = []
    for label in table_scores.columns.to_list():
        runs = (run for run in table.results if run.treatment == label_text(label) and run.seed in seeds)
        results = [table.results[run] for run in runs]
        tops = (score_of(item, headline) for item in results if headline.metric in item.metrics)
        about = {"epoch": _mean(map(_epoch_of_minimum, results)), "gap": _mean(gaps[label])}
        more = {"metric": headline.metric, "metric_mean": _mean(tops)}
        rows.append({table_scores.columns.name: label} | _interval(table_scores[label]) | about | more)
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

"""The numbers that the page's script draws, small enough to travel inside it."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

import pandas as pd

from yolo_dropout.base.text import rate_text
from yolo_dropout.folder.results_csv import VAL_LOSS, headline_metric
from yolo_dropout.report.figures import series
from yolo_dropout.report.figures.runs import evenly, frame
from yolo_dropout.results.agreement import ScoreVerdict
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.spec.score import higher_is_better, metric_name

RUN_VALUES = 200_000
MEAN_EPOCHS = 400
SIGNIFICANT = 5


def payload(study: StudyResults) -> dict[str, Any]:
    """Curves and scores as plain lists; single runs are thinned out where a study is large.

    Returns:
        rates; chosen (index of the chosen rate or None); metrics, each with its mean by rate, its best point by
        rate and its runs; scores, each with values by seed and rate, means and paired limits by rate.
    """
    rates, verdict, parts = study.spec.rates, study.verdict, series.loss_parts(study.curves)
    tables = {name: series.by_run(study.curves, name) for name in _shown_metrics(study.curves, parts)}
    n_runs = max((table.shape[1] for table in tables.values()), default=0)
    per_run = max(12, RUN_VALUES // max(1, n_runs * len(tables)))
    return {
        "rates": [rate_text(rate) for rate in rates],
        "chosen": rates.index(verdict.rate) if verdict.decided else None,
        "parts": parts,
        "metrics": [_metric(name, table, rates, per_run) for name, table in tables.items() if not table.empty],
        "scores": [_score(score, score.table.astype(float)) for score in study.all_scores],
    }


def _shown_metrics(curves: pd.DataFrame, parts: list[str]) -> list[str]:
    """Validation loss first, then its parts, then the metrics; training losses differ by rate in meaning."""
    present = [str(name) for name in curves["metric"].unique()]
    metrics = [name for name in present if name.startswith("metrics/")]
    order = dict.fromkeys([VAL_LOSS, headline_metric(present), *metrics, *parts])
    return [name for name in order if name in present and name is not None]


def _metric(name: str, runs: pd.DataFrame, rates: tuple[float, ...], per_run: int) -> dict[str, Any]:
    lower = not higher_is_better(name)
    means = series.mean_by_rate(runs)
    epochs = runs.index.to_numpy()
    coarse, fine = evenly(len(epochs), per_run), evenly(len(epochs), MEAN_EPOCHS)
    best = [series.best_epoch(means[rate], lower=lower) if rate in means else None for rate in rates]
    curves = zip(series.run_keys(runs), runs.to_numpy()[coarse].T.tolist(), strict=True)
    return {
        "key": name,
        "name": metric_name(name),
        "lower": lower,
        "frame": list(frame(runs, lower=lower)),
        "epochs": epochs[fine].tolist(),
        "means": [_numbers(means[rate].to_numpy()[fine]) if rate in means else [] for rate in rates],
        "best": [None if point is None else _numbers(point) for point in best],
        "runEpochs": epochs[coarse].tolist(),
        "runs": [[rates.index(rate), block, _numbers(curve)] for (rate, block), curve in curves],
    }


def _score(score: ScoreVerdict, table: pd.DataFrame) -> dict[str, Any]:
    means, higher = series.paired_means(table), score.higher_is_better
    limits = series.paired_limits(means[0.0], score.verdict, higher=higher) if score.verdict else {}
    return {
        "key": score.key,
        "name": score.name,
        "higher": higher,
        "blocks": series.block_names(table),
        "values": [_numbers(row) for row in table.to_numpy()],
        "means": _numbers(means.values()),
        "limits": [_numbers(limits[rate]) if rate in limits else None for rate in means],
    }


def _numbers(values: Iterable[float]) -> list[float | None]:
    """Rounded to five significant digits; None, which JSON has, for what is not finite."""
    return [float(f"{value:.{SIGNIFICANT}g}") if isfinite(value) else None for value in values]

"""The numbers that the page's script draws, small enough to travel inside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from yolo_dropout.base.text import rate_text
from yolo_dropout.decision import Comparison
from yolo_dropout.folder.results_csv import VAL_LOSS, headline_metric
from yolo_dropout.report.data import ReportData
from yolo_dropout.report.figures import series
from yolo_dropout.report.figures.runs import frame
from yolo_dropout.results.agreement import ScoreVerdict
from yolo_dropout.spec.score import higher_is_better, metric_name

RUN_VALUES = 200_000
MEAN_EPOCHS = 400
SIGNIFICANT = 5


def payload(data: ReportData) -> dict[str, Any]:
    """Curves and scores as plain lists; single runs are thinned out where a study is large.

    Returns:
        rates; chosen (index of the chosen rate or None); metrics, each with its mean by rate, its best point by
        rate and its runs; scores, each with values by seed and rate, means and paired limits by rate.
    """
    names = shown_metrics(data.curves)
    tables = {name: series.by_run(data.curves, name) for name in names}
    n_runs = max((table.shape[1] for table in tables.values()), default=0)
    per_run = max(12, RUN_VALUES // max(1, n_runs * max(1, len(names))))
    decided = data.verdict is not None and data.verdict.decided
    return {
        "rates": [rate_text(rate) for rate in data.rates],
        "chosen": data.rates.index(data.verdict.rate) if decided and data.verdict else None,
        "parts": series.loss_parts(data.curves),
        "metrics": [_metric(name, table, data.rates, per_run) for name, table in tables.items() if not table.empty],
        "scores": list(_scores(data)),
    }


def shown_metrics(curves: pd.DataFrame) -> list[str]:
    """Validation loss first, then its parts, then the metrics; training losses differ by rate in meaning."""
    present = [str(name) for name in curves["metric"].unique()]
    metrics = [name for name in present if name.startswith("metrics/")]
    primary = headline_metric(present)
    order = [VAL_LOSS, primary, *metrics, *series.loss_parts(curves)]
    return [name for name in dict.fromkeys(order) if name in present and name is not None]


def _metric(name: str, runs: pd.DataFrame, rates: list[float], per_run: int) -> dict[str, Any]:
    lower = not higher_is_better(name)
    means = series.mean_by_rate(runs)
    epochs = runs.index.to_numpy()
    coarse, fine = _grid(len(epochs), per_run), _grid(len(epochs), MEAN_EPOCHS)
    low, high = frame(runs, lower=lower)
    best = [series.best_epoch(means[rate], lower=lower) if rate in means else None for rate in rates]
    return {
        "key": name,
        "name": metric_name(name),
        "lower": lower,
        "frame": [low, high],
        "epochs": epochs[fine].tolist(),
        "means": [_numbers(means[rate].to_numpy()[fine]) if rate in means else [] for rate in rates],
        "best": [None if point is None else _numbers(point) for point in best],
        "runEpochs": epochs[coarse].tolist(),
        "runs": [
            [rates.index(rate), block, _numbers(curve)]
            for (rate, block), curve in zip(series.run_keys(runs), runs.to_numpy()[coarse].T.tolist(), strict=True)
            if rate in rates
        ],
    }


def _scores(data: ReportData) -> Iterator[dict[str, Any]]:
    """The study's own score, then the others that a reader may ask for, each with its own paired limits."""
    for score in data.all_scores:
        yield _score(score, score.table.reindex(columns=data.rates).astype(float))


def _score(score: ScoreVerdict, table: pd.DataFrame) -> dict[str, Any]:
    sign = 1.0 if score.higher_is_better else -1.0
    means = series.paired_means(table)
    limits = _limits(means[0.0], sign, score.verdict.shown if score.verdict else ())
    return {
        "key": score.key,
        "name": score.name,
        "higher": score.higher_is_better,
        "blocks": series.block_words(table),
        "values": [_numbers(row) for row in table.to_numpy()],
        "means": _numbers(means.values()),
        "limits": [limits.get(float(rate)) for rate in table.columns],
    }


def _limits(control: float, sign: float, comparisons: Iterable[Comparison]) -> Mapping[float, list[float | None]]:
    """By rate: the simultaneous limits of the paired improvement, laid off from the control's mean."""
    return {
        c.rate: _numbers(sorted((control + sign * c.low, control + sign * c.high)))
        for c in comparisons
        if c.low is not None and c.high is not None and isfinite(c.low) and isfinite(c.high)
    }


def _grid(size: int, limit: int) -> NDArray[np.int64]:
    """Places of at most `limit` of `size` epochs, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, size - 1, min(size, limit)).round().astype(np.int64))


def _numbers(values: Iterable[float]) -> list[float | None]:
    """Rounded to five significant digits; None, which JSON has, for what is not finite."""
    return [float(f"{value:.{SIGNIFICANT}g}") if isfinite(value) else None for value in values]

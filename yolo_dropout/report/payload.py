"""What the page's script draws."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

import pandas as pd

from yolo_dropout.base.text import Label, label_text
from yolo_dropout.folder.results_csv import VAL_LOSS, headline_metric
from yolo_dropout.report.figures import series
from yolo_dropout.report.figures.runs import evenly, frame
from yolo_dropout.results.agreement import ScoreVerdict
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.spec.score import higher_is_better, metric_name

# How many values it is given: of all runs together, of a mean, and digits of each.
RUN_VALUES, MEAN_EPOCHS, SIGNIFICANT = 200_000, 400, 5


def payload(study: StudyResults) -> dict[str, Any]:
    """What the page's script draws, as plain lists; single runs are thinned out where a study is large.

    Returns:
        rates (the treatments by their rates or names); chosen (index of the chosen one or None); metrics, each with its
        mean by treatment, its best point by treatment and its runs; scores, each with values by seed and treatment,
        means and paired limits by treatment; relevant (the gain that matters by the first score, or None).
    """
    labels, verdict, parts = study.spec.labels, study.verdict, series.loss_parts(study.curves)
    names = [label_text(label) for label in labels]
    tables = {name: series.by_run(study.curves, name) for name in _shown_metrics(study.curves, parts)}
    n_runs = max((table.shape[1] for table in tables.values()), default=0)
    per_run = max(12, RUN_VALUES // max(1, n_runs * len(tables)))
    return {
        "rates": names,
        "chosen": names.index(verdict.treatment) if verdict.decided else None,
        "parts": parts,
        "metrics": [_metric(name, table, labels, per_run) for name, table in tables.items() if not table.empty],
        "scores": [_score(score, score.table.astype(float)) for score in study.all_scores],
        "relevant": verdict.relevant,
    }


def _shown_metrics(curves: pd.DataFrame, parts: list[str]) -> list[str]:
    """Validation loss first, then its parts, then the metrics; training losses differ by treatment in meaning."""
    present = [str(name) for name in curves["metric"].unique()]
    metrics = [name for name in present if name.startswith("metrics/")]
    order = dict.fromkeys([VAL_LOSS, headline_metric(present), *metrics, *parts])
    return [name for name in order if name in present and name is not None]


def _metric(name: str, runs: pd.DataFrame, labels: tuple[Label, ...], per_run: int) -> dict[str, Any]:
    lower = not higher_is_better(name)
    means = series.means_of(runs)
    epochs = runs.index.to_numpy()
    coarse, fine = evenly(len(epochs), per_run), evenly(len(epochs), MEAN_EPOCHS)
    best = [series.best_epoch(means[label], lower=lower) if label in means else None for label in labels]
    curves = zip(series.run_keys(runs), runs.to_numpy()[coarse].T.tolist(), strict=True)
    return {
        "key": name,
        "name": metric_name(name),
        "lower": lower,
        "frame": list(frame(runs, lower=lower)),
        "epochs": epochs[fine].tolist(),
        "means": [_numbers(means[label].to_numpy()[fine]) if label in means else [] for label in labels],
        "best": [None if point is None else _numbers(point) for point in best],
        "runEpochs": epochs[coarse].tolist(),
        "runs": [[labels.index(label), block, _numbers(curve)] for (label, block), curve in curves],
    }


def _score(score: ScoreVerdict, table: pd.DataFrame) -> dict[str, Any]:
    means, higher = series.paired_means(table), score.higher_is_better
    limits = series.paired_limits(means, score.verdict, higher=higher) if score.verdict else {}
    return {
        "key": score.key,
        "name": score.name,
        "higher": higher,
        "blocks": series.block_names(table),
        "values": [_numbers(row) for row in table.to_numpy()],
        "means": _numbers(means.values()),
        "limits": [_numbers(limits[label]) if label in limits else None for label in means],
    }


def _numbers(values: Iterable[float]) -> list[float | None]:
    """Rounded to five significant digits; None, which JSON has, for what is not finite."""
    return [float(f"{value:.{SIGNIFICANT}g}") if isfinite(value) else None for value in values]

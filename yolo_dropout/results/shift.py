"""What was measured of runs under shift: read into their results, scored, and put into one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from yolo_dropout.base.text import label_text
from yolo_dropout.errors import InputError
from yolo_dropout.folder.results_csv import VAL_LOSS, Results
from yolo_dropout.results.by_run import of_all_runs
from yolo_dropout.shift.sets import CLEAN, Pass
from yolo_dropout.shift.tables import COLUMNS, passes_in, read_shift, shifted_mean
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.score import Score, shift_score

if TYPE_CHECKING:
    from yolo_dropout.results.collect import StudyResults
    from yolo_dropout.results.table import Table


def with_shift(table: Table, files: Mapping[Run, Path]) -> Table:
    """Results with what the runs' files hold under shift, as far as all measured runs have it, and a note where not."""
    found = {run: measured for run, file in files.items() if len(measured := read_shift(file))}
    if not found:
        return table
    passes = [passes_in(measured) for measured in found.values()]
    common = set.intersection(*passes)
    results = {run: replace(item, shift=_only(found[run], common)) if run in found else item
               for run, item in table.results.items()}  # fmt: skip
    known, lacking = len(set.union(*passes)), len(table.results.keys() - found.keys())
    told = [f"{lacking} runs were not measured"] if lacking else []
    told += [f"{len(common)} of {known} passes count, which all measured runs have"] if len(common) < known else []
    notes = (f"shift: {line}; report --shift measures the rest" for line in told)
    return replace(table, results=results, notes=(*table.notes, *notes))


def _only(measured: pd.DataFrame, passes: set[Pass]) -> pd.DataFrame:
    keys = zip(measured["corruption"], measured["severity"], strict=True)
    return measured[[Pass(*key) in passes for key in keys]].reset_index(drop=True)


def score_under_shift(results: Results, metric: str) -> float:
    """The mean of a metric under shift, such as `shift/mAP50-95` or `shift:weather/loss`; NaN where none was measured.

    Raises:
        InputError: There is no such metric.
        SpecError: There is no such set.
    """
    within, column = shift_score(metric) or ("", metric)
    if results.shift is None:
        return float("nan")
    own = results.shift[results.shift["metric"] == column]
    if own.empty:
        raise InputError(f"score: no {column!r} under shift; there are {', '.join(results.shift['metric'].unique())}")
    return shifted_mean(own.set_index(["corruption", "severity"])["value"], within)


def scores_under_shift(headline: str | None) -> Iterator[Score]:
    """The standard scores under shift: the metric that people quote, and the validation loss."""
    for column in filter(None, (headline, VAL_LOSS)):
        yield Score.parse(f"shift/{column}")


def by_treatment(study: StudyResults) -> pd.DataFrame:
    """What runs come to under shift, means over the runs of a treatment.

    Returns:
        A row per treatment, by its name. Columns P, mPC, rPC of the metric that people quote, or of the validation loss
        where there is none, and the shifted loss; rPC is no score, since it rewards a bad clean model.
    """
    column, rows = study.table.headline or VAL_LOSS, {}
    for label in map(label_text, study.spec.labels):
        runs = [found for run, found in study.table.results.items() if run.treatment == label]
        clean, shifted, loss = (
            pd.Series([score_under_shift(found, metric) for found in runs], dtype=float).mean()
            for metric in (f"shift:{CLEAN}/{column}", f"shift/{column}", f"shift/{VAL_LOSS}")
        )
        rows[label] = {"P": clean, "mPC": shifted, "rPC": shifted / clean if clean else float("nan"), "loss": loss}
    return pd.DataFrame.from_dict(rows, orient="index")


def shift_of(study: StudyResults) -> pd.DataFrame:
    """All that was measured: columns rate (or treatment), seed, (fold,) corruption, group, severity, metric, value."""
    return of_all_runs(
        study, COLUMNS, lambda run: () if run.shift is None else run.shift.itertuples(index=False, name=None)
    )

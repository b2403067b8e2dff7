"""What lies in the folders of single runs -> one table of all of them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from yolo_dropout.base.text import label_text
from yolo_dropout.folder.results_csv import Results

if TYPE_CHECKING:
    from yolo_dropout.results.collect import StudyResults

_BY_CLASS = ("class", "metric", "value")


def of_all_runs(
    study: StudyResults, columns: Sequence[str], rows: Callable[[Results], Iterable[tuple[Any, ...]]]
) -> pd.DataFrame:
    """The rows of all runs, treatments in order: rate (or treatment), seed and fold if any stand before `columns`."""
    labels: Any = {label_text(label): label for label in study.spec.labels}
    folded = study.spec.folds is not None
    found = [
        (labels[run.treatment], run.seed, *((run.fold,) if folded else ()), *row)
        for run in sorted(study.table.results, key=lambda run: list(labels).index(run.treatment))
        for row in rows(study.table.results[run])
    ]
    keys = (str(study.scores.columns.name), "seed", *(("fold",) if folded else ()))
    return pd.DataFrame(found, columns=pd.Index([*keys, *columns]))


def classes_of(study: StudyResults) -> pd.DataFrame:
    """The best epoch of every run by class: columns rate (or treatment), seed, (fold,) class, metric, value."""
    return of_all_runs(study, _BY_CLASS, _classes)


def _classes(results: Results) -> Iterator[tuple[str, str, float]]:
    return rows_of(results.classes, _BY_CLASS)


def rows_of(file: Path | None, columns: tuple[str, str, str]) -> Iterator[tuple[str, str, float]]:
    """The rows of one run's file; none where there is no such file, or it holds something else."""
    if file is None:
        return
    name, metric, value = columns
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            yield from [(row[name], row[metric], float(row[value])) for row in csv.DictReader(lines)]
    except (OSError, KeyError, TypeError, ValueError, csv.Error):  # Python 3.10 reads no NUL
        return

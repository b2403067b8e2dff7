"""How well the checkpoints of runs are calibrated: read, scored, and put into one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from yolo_dropout.base.files import read_json
from yolo_dropout.folder.results_csv import Results
from yolo_dropout.results.by_run import of_all_runs
from yolo_dropout.spec.runs import Run

if TYPE_CHECKING:
    from yolo_dropout.results.collect import StudyResults
    from yolo_dropout.results.table import Table


def with_calibration(table: Table, files: Mapping[Run, Path]) -> Table:
    """Results with what the runs' files say of calibration, and a note where only some runs have one."""
    known = {run: read for run, file in files.items() if (read := _read(file)) is not None}
    results = {run: replace(found, calibration=known.get(run)) for run, found in table.results.items()}
    lacking = len(results) - len(known)
    note = f"calibration: {lacking} runs were not measured; report --calibration measures the rest"
    return replace(table, results=results, notes=(*table.notes, *([note] if known and lacking else [])))


def _read(file: Path) -> Mapping[str, float] | None:
    try:
        return {str(name): float(value) for name, value in dict(read_json(file)).items()}
    except (OSError, ValueError, TypeError):
        return None


def calibration_score(results: Results, metric: str) -> float:
    """`calibration/dece` or `calibration/brier` of a run; NaN where it was not measured, or found nothing to score."""
    return (results.calibration or {}).get(metric.removeprefix("calibration/"), float("nan"))


def calibration_of(study: StudyResults) -> pd.DataFrame:
    """All that was measured: columns rate (or treatment), seed, (fold,) metric, value."""
    return of_all_runs(study, ("metric", "value"), lambda run: (run.calibration or {}).items())

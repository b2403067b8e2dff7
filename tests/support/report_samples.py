"""Made-up studies as the report takes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from synthetic_study import make_curves

from yolo_dropout.base.text import label_text
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.folder.results_csv import Results
from yolo_dropout.report.figures import figures_of
from yolo_dropout.report.figures.render import to_svg
from yolo_dropout.report.page import render_report
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.results.table import Table
from yolo_dropout.spec.runs import Run, plan
from yolo_dropout.spec.study_spec import StudySpec

NOTE = (
    "YOLO26: the losses are those of the one-to-one branch, mAP is that of the one-to-many branch with NMS; "
    "they need not agree."
)
PREPARED = {"task": "detect", "n_train": 24, "n_val": 40, "n_classes": 10, "notes": ()}
PREPARED |= {"versions": {"yolo_dropout": "0.1.0", "ultralytics": "8.4.190", "torch": "2.14.0"}}


@dataclass(frozen=True)
class MadeStudy(StudyResults):
    """A study of which a test has made up what is otherwise computed once: `made(study, verdict=...)`."""


def made(study: MadeStudy, **values: Any) -> MadeStudy:
    """Put values in the place of what the study would compute; `_planned_scores` stands for all of its scores."""
    vars(study).update(values)
    return study


def make_table(curves: pd.DataFrame) -> Table:
    """The results that tidy curves came from."""
    results = {}
    for (rate, seed), run in curves.groupby(["rate", "seed"]):
        wide = run.pivot_table(index="epoch", columns="metric", values="value", observed=True, dropna=False)
        results[Run(int(seed), label_text(rate))] = Results(wide.index.to_numpy(), tuple(wide.columns), wide.to_numpy())
    return Table(results)


@cache
def usual() -> tuple[pd.DataFrame, Table]:
    """What most reports are of, which nobody may change: to make it takes half a second."""
    return make_curves(), make_table(make_curves())


def make_record(run: Run, branch_note: str | None = NOTE, **changes: Any) -> RunRecord:
    """The record of a run that has finished."""
    sites = tuple(f"model.23.cv{branch}.{level}.1" for branch in (2, 3) for level in range(3)) if run.rate else ()
    proof = {"kind": "dropout2d", "rates": [run.rate], "branch_note": branch_note}
    values = {"seconds": 42.0 + 60 * run.seed, "sites": sites, "proof": proof}
    return RunRecord(run.treatment, run.seed, **({"status": "finished"} | values | changes))


def make_report(
    curves: pd.DataFrame | None = None,
    *,
    spec: dict[str, Any] | None = None,
    branch_note: str | None = NOTE,
    folder: Path = Path("/studies/digits"),
    **changes: Any,
) -> MadeStudy:
    """A whole study; `spec` changes what was asked, `changes` replace fields of the study."""
    curves, table = usual() if curves is None else (curves, make_table(curves))
    rates, seeds = (tuple(np.unique(curves[name]).tolist()) for name in ("rate", "seed"))
    asked = {"model": "yolo26n.pt", "data": "digits.yaml", "train": {"epochs": 60, "imgsz": 128}}
    whole = StudySpec(rates=rates, seeds=seeds, **(asked | (spec or {})))
    records = tuple(make_record(run, branch_note) for run in plan(whole))
    fields = {"records": records, "table": table, "prepared": PREPARED}
    return MadeStudy(StudyFolder(folder), whole, **(fields | changes))


def whole_page(study: StudyResults) -> str:
    """The page with its pictures."""
    return render_report(study, pictures={stem: to_svg(figure, stem) for stem, figure in figures_of(study).items()})

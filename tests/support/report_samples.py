"""Made-up studies as the report takes them."""

from __future__ import annotations

from typing import Any

import pandas as pd
from synthetic_study import make_curves, make_scores

from yolo_dropout.decision import decide
from yolo_dropout.folder.results_csv import Results, headline_metric
from yolo_dropout.report import ReportData, render_report
from yolo_dropout.report.figures import study_figures, to_svg
from yolo_dropout.results.agreement import other_scores
from yolo_dropout.results.summary import overfitting_gap
from yolo_dropout.results.table import Table, by_block
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.score import Score

NOTE = (
    "YOLO26: the losses are those of the one-to-one branch, mAP is that of the one-to-many branch with NMS; "
    "they need not agree."
)


def make_summary(curves: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The columns of `table.summary` that the report shows."""
    metric = headline_metric(curves["metric"].unique())
    losses = curves[curves["metric"] == "val/loss"]
    largest = curves[curves["metric"] == metric].groupby(["rate", "seed"])["value"].max()
    lowest = losses.loc[losses.groupby(["rate", "seed"])["value"].idxmin()]
    return pd.DataFrame(
        {
            "rate": scores.columns.astype(float),
            "n": scores.notna().sum().to_numpy(),
            "mean": scores.mean().to_numpy(),
            "sd": scores.std().to_numpy(),
            "epoch": lowest.groupby("rate")["epoch"].mean().to_numpy(),
            "gap": make_gaps(curves, scores).mean().to_numpy(),
            "metric": metric,
            "metric_mean": largest.groupby("rate").mean().to_numpy() if metric else float("nan"),
        }
    )


def make_table(curves: pd.DataFrame) -> Table:
    """The results that tidy curves came from."""
    results = {}
    for (rate, seed), run in curves.groupby(["rate", "seed"]):
        wide = run.pivot_table(index="epoch", columns="metric", values="value", observed=True, dropna=False)
        results[Run(int(seed), float(rate))] = Results(wide.index.to_numpy(), tuple(wide.columns), wide.to_numpy())
    return Table(results)


def make_gaps(curves: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """The overfitting gap of every run, as scores."""
    return by_block(make_table(curves), overfitting_gap, scores.columns.astype(float), scores.index)


def whole_page(data: ReportData) -> str:
    """The page with its pictures."""
    figures = study_figures(
        data.curves, data.scores, make_gaps(data.curves, data.scores), data.verdict, data.branch_note, score=data.score
    )
    return render_report(data, pictures={stem: to_svg(figure, stem) for stem, figure in figures.items()})


def make_report(curves: pd.DataFrame | None = None, **changes: Any) -> ReportData:
    """A whole study; `changes` replace fields of the result."""
    curves = make_curves() if curves is None else curves
    scores = make_scores(curves)
    records = [
        {
            "rate": float(rate),
            "seed": int(seed),
            "status": "finished",
            "error": None,
            "seconds": 42.0 + 60 * int(seed),
            "sites": [f"model.23.cv{branch}.{level}.1" for branch in (2, 3) for level in range(3)] if rate else [],
            "proof": {"kind": "dropout2d", "rates": [float(rate)]},
            "folder": f"runs/p{rate:.2f}-s{seed}",
        }
        for seed in scores.index
        for rate in scores.columns
    ]
    fields: dict[str, Any] = {
        "title": "yolo26n.pt on digits.yaml",
        "verdict": decide(scores.to_numpy(), scores.columns.to_numpy(float), score_name="val/loss@min"),
        "curves": curves,
        "scores": scores,
        "score": Score(),
        "summary": make_summary(curves, scores),
        "others": tuple(
            other_scores(make_table(curves), make_gaps(curves, scores), Score.parse("val/loss"), scores, 0.05)
        ),
        "records": tuple(records),
        "planned": len(records),
        "asked": {
            "model": "yolo26n.pt",
            "data": "digits.yaml",
            "rates": [0.0, 0.1],
            "train": {"epochs": 60, "imgsz": 128},
        },
        "prepared": {"task": "detect", "n_train": 24, "n_val": 40, "n_classes": 10, "notes": ()},
        "versions": {"yolo_dropout": "0.1.0", "ultralytics": "8.4.190", "torch": "2.14.0"},
        "command": "yolo-dropout sweep model=yolo26n.pt data=digits.yaml epochs=60 --rates 0 0.1 0.2 0.3 0.5 --seeds 5",
        "branch_note": NOTE,
        "files": {"summary.csv": "summary.csv", "curves.csv": "curves.csv"},
    }
    return ReportData(**(fields | changes))

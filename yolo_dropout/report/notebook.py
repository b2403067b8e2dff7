"""A study as a notebook cell shows it: the verdict, the table of rates, and the picture that shows why."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from yolo_dropout.errors import InputError, ScoresError
from yolo_dropout.report.figures import rate_response, to_svg
from yolo_dropout.spec.score import metric_name

if TYPE_CHECKING:
    from yolo_dropout.results.collect import StudyResults
    from yolo_dropout.spec.score import Score

# Figures are drawn for white paper: on a dark notebook they bring it along.
_PAPER = "background:#fff;color:#1f2328;padding:12px;max-width:820px;font-family:system-ui,sans-serif"


def study_html(study: StudyResults) -> str:
    """HTML for a notebook cell: no scripts, nothing loaded, every text escaped."""
    try:
        verdict = study.verdict
    except (InputError, ScoresError) as error:  # there is nothing to compare yet
        return _message(study.title, str(error))
    figure = rate_response(study.scores, study.score, verdict, branch_note=study.branch_note)
    svg = to_svg(figure, f"notebook-{study.title}")
    table = _rates(study.summary, study.score).to_html(
        index=False, border=0, justify="right", na_rep="–", float_format="{:.4g}".format
    )
    return f'<div style="{_PAPER}">{_message(study.title, verdict.reason)}{table}{svg[svg.index("<svg") :]}</div>'


def _message(title: str, message: str) -> str:
    return f"<p><b>{escape(title)}</b></p><p>{escape(message)}</p>"


def _rates(summary: pd.DataFrame, score: Score) -> pd.DataFrame:
    names = {"rate": "rate", "n": "runs", "mean": score.words, "sd": "sd", "gap": "overfitting gap"}
    metric = str(summary["metric"].iloc[0])
    if metric:
        names["metric_mean"] = f"highest {metric_name(metric)}"
    return summary[list(names)].rename(columns=names)

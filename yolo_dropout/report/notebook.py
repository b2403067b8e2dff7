"""A study as a notebook cell shows it: the verdict, the table of rates, and the picture that shows why."""

from __future__ import annotations

from html import escape

import pandas as pd
from matplotlib.figure import Figure

from yolo_dropout.figures import to_svg
from yolo_dropout.figures.words import metric_name, score_words

# Figures are drawn for white paper: on a dark notebook they bring it along.
_PAPER = "background:#fff;color:#1f2328;padding:12px;max-width:820px;font-family:system-ui,sans-serif"


def study_html(title: str, reason: str, summary: pd.DataFrame, score: str, figure: Figure) -> str:
    """HTML for a notebook cell: no scripts, nothing loaded, every text escaped.

    Args:
        title: What was studied.
        reason: The verdict in words.
        summary: One row per rate, as `summary.summary` makes it.
        score: What is compared, as `val/loss@min`.
        figure: The picture below the table.
    """
    svg = to_svg(figure, f"notebook-{title}")
    table = _rates(summary, score).to_html(
        index=False, border=0, justify="right", na_rep="–", float_format="{:.4g}".format
    )
    return f'<div style="{_PAPER}">{message_html(title, reason)}{table}{svg[svg.index("<svg") :]}</div>'


def message_html(title: str, message: str) -> str:
    """The same where there is nothing to compare yet."""
    return f"<p><b>{escape(title)}</b></p><p>{escape(message)}</p>"


def _rates(summary: pd.DataFrame, score: str) -> pd.DataFrame:
    names = {"rate": "rate", "n": "runs", "mean": score_words(score), "sd": "sd", "gap": "overfitting gap"}
    metric = str(summary["metric"].iloc[0])
    if metric:
        names["metric_mean"] = f"highest {metric_name(metric)}"
    return summary[list(names)].rename(columns=names)

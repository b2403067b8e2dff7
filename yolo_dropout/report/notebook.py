"""A study in short, for terminals and notebooks: the verdict, the table, and the picture that shows why."""

from __future__ import annotations

from html import escape

import pandas as pd

from yolo_dropout.base.text import label_text, number, printable
from yolo_dropout.errors import InputError, ScoresError
from yolo_dropout.report.figures import main_figure
from yolo_dropout.report.figures.render import to_svg
from yolo_dropout.report.figures.style import as_shipped
from yolo_dropout.results.collect import StudyResults

# Figures are drawn for white paper: on a dark notebook they bring it along.
_PAPER = "background:#fff;color:#1f2328;padding:12px;max-width:820px;font-family:system-ui,sans-serif"


@as_shipped
def study_html(study: StudyResults) -> str:
    """HTML for a notebook cell: no scripts, nothing loaded, every text escaped."""
    try:
        verdict = study.verdict
    except (InputError, ScoresError) as error:  # there is nothing to compare yet
        return _message(study.title, str(error))
    svg = to_svg(main_figure(study), f"notebook-{study.title}")
    table = rate_table(study).to_html(index=False, border=0, justify="right")
    return f'<div style="{_PAPER}">{_message(study.title, verdict.reason)}{table}{svg[svg.index("<svg") :]}</div>'


def _message(title: str, message: str) -> str:
    return f"<p><b>{escape(title)}</b></p><p>{escape(message)}</p>"


def rate_table(study: StudyResults) -> pd.DataFrame:
    """One row per treatment, all cells as texts: runs, mean and sd of the score, improvement, gap, headline metric."""
    summary, headline = study.summary, study.table.headline
    labels, gains = study.spec.labels, [comparison.difference for comparison in study.verdict.comparisons]
    spreads = [f" ± {number(sd)}" if n > 1 else "" for n, sd in zip(summary["n"], summary["sd"], strict=True)]
    columns = {
        study.verdict.noun: list(map(label_text, labels)),
        "runs": list(map(str, summary["n"])),
        printable(str(study.score)): list(map("".join, zip(_numbers(summary["mean"]), spreads, strict=True))),
        f"better than {study.verdict.control_name} by": [_signed(gain, [0.0, *gains]) for gain in (None, *gains)],
        "gap": _numbers(summary["gap"]),
    }
    top = {printable(headline.removeprefix("metrics/")): _numbers(summary["metric_mean"])} if headline else {}
    return pd.DataFrame(columns | top)


def _numbers(values: pd.Series[float]) -> list[str]:
    return [number(value, values) for value in values]


def _signed(gain: float | None, among: list[float | None]) -> str:
    return "" if gain is None else ("+" if gain > 0 else "") + number(gain, among)

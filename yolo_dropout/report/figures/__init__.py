"""Tables and verdict to matplotlib figures: pure functions, no file access, no pyplot, no global settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from yolo_dropout.folder.results_csv import headline_metric
from yolo_dropout.report.figures.lines import loss_components, metric_curves, validation_loss
from yolo_dropout.report.figures.rates import overfitting_gap, rate_response
from yolo_dropout.report.figures.render import to_png, to_svg
from yolo_dropout.report.figures.series import loss_parts
from yolo_dropout.spec.score import Score

if TYPE_CHECKING:
    from yolo_dropout.decision import Verdict

__all__ = [
    "loss_components",
    "metric_curves",
    "overfitting_gap",
    "rate_response",
    "study_figures",
    "to_png",
    "to_svg",
    "validation_loss",
]


def study_figures(
    curves: pd.DataFrame,
    scores: pd.DataFrame,
    gaps: pd.DataFrame,
    verdict: Verdict | None,
    branch_note: str | None = None,
    *,
    score: Score,
) -> dict[str, Figure]:
    """All figures of a study, by file stem.

    Args:
        curves: Tidy curves with the columns rate, seed, epoch, metric, value.
        scores: Index seed, one column per rate, NaN where a run is missing.
        gaps: Overfitting gap of each run, as `scores`.
        verdict: As `decide` returns it for these scores; None where there is none.
        branch_note: What the values describe on models with two branches, as small print.
        score: What is compared.

    Returns:
        rate_response, val_loss, overfitting_gap, and, where the curves hold them, loss_components and metric.
        Write them with `to_png(figure)` and `to_svg(figure, stem)`, whose bytes are the same every time.
    """
    figures = {
        "rate_response": rate_response(scores, score, verdict, branch_note=branch_note),
        "val_loss": validation_loss(curves, verdict, branch_note),
        "overfitting_gap": overfitting_gap(gaps, branch_note),
    }
    if loss_parts(curves):
        figures["loss_components"] = loss_components(curves, branch_note)
    metric = headline_metric(curves["metric"].unique())
    if metric is not None:
        figures["metric"] = metric_curves(curves, metric, branch_note)
    return figures

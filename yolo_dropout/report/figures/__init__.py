"""Tables and verdict to matplotlib figures: pure functions, no file access, no pyplot, no global settings."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from yolo_dropout.base.text import counted
from yolo_dropout.folder.results_csv import VAL_LOSS, headline_metric
from yolo_dropout.report.figures.effects import effects
from yolo_dropout.report.figures.examples import differing_images, under_corruptions
from yolo_dropout.report.figures.lines import loss_components, metric_curves, validation_loss
from yolo_dropout.report.figures.maps import by_class, by_corruption
from yolo_dropout.report.figures.rates import overfitting_gap, rate_response
from yolo_dropout.report.figures.series import loss_parts
from yolo_dropout.report.figures.shift import by_severity
from yolo_dropout.report.figures.style import as_shipped
from yolo_dropout.results.by_run import classes_of
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.results.shift import shift_of

PHOTOGRAPHS = ("examples", "shift_examples")


def main_figure(study: StudyResults) -> Figure:
    """The figure of the score that decides: by rate, or the effects of named treatments."""
    draw = effects if study.spec.named else rate_response
    return draw(study.scores, study.score, study.verdict, study.branch_note)


@as_shipped
def card(study: StudyResults) -> Figure:
    """The verdict, its figure, and of what: what a link to the study shows."""
    draw, spec = effects if study.spec.named else rate_response, study.spec
    what = f"{spec.model_name} on {spec.data_name}: {len(spec.treatments)} {study.verdict.noun}s, {study.blocks}"
    return draw(study.scores, study.score, study.verdict, f"{what}, {counted(spec.epochs, 'epoch')}. yolo-dropout")


@as_shipped
def figures_of(study: StudyResults) -> dict[str, Figure]:
    """All figures of a study, by file stem.

    Returns:
        rate_response (effects where treatments have names), val_loss, overfitting_gap, and, where there is something to
        draw, loss_components, metric, class_map, shift_severity, shift_map, and of images examples and shift_examples.
        Write them with `to_png(figure)` and, but for `PHOTOGRAPHS`, `to_svg(figure, stem)`, whose bytes are the same
        every time.
    """
    curves, note = study.curves, study.branch_note
    figures = {
        "effects" if study.spec.named else "rate_response": main_figure(study),
        "val_loss": validation_loss(curves, study.verdict, note),
        "overfitting_gap": overfitting_gap(study.gaps, note),
    }
    if loss_parts(curves):
        figures["loss_components"] = loss_components(curves, note)
    metric = headline_metric(curves["metric"].unique())
    shown, measured, classes = metric or VAL_LOSS, shift_of(study), classes_of(study)
    if len(measured):
        figures["shift_severity"] = by_severity(measured, shown)
    if _pairs(study, measured, shown):
        figures["shift_map"] = by_corruption(measured, shown)
    if _pairs(study, classes, shown) and len(set(classes["class"])) > 1:
        figures["class_map"] = by_class(classes, shown)
    if study.examples.get("images"):
        figures["examples"] = differing_images(study.examples)
    if study.examples.get("shift"):
        figures["shift_examples"] = under_corruptions(study.examples)
    return figures | ({"metric": metric_curves(curves, metric, note)} if metric else {})


def _pairs(study: StudyResults, table: pd.DataFrame, metric: str) -> bool:
    """Whether a table, by treatment and seed, has the control and another treatment."""
    known = set(table.loc[table["metric"] == metric].iloc[:, 0])
    return study.spec.labels[0] in known and len(known) > 1

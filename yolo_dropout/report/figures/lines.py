"""Figures by epoch: validation loss, its components, mAP or accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from yolo_dropout.base.text import Label, capital, counted, is_control, number
from yolo_dropout.decision import Verdict
from yolo_dropout.folder.results_csv import VAL_LOSS
from yolo_dropout.report.figures import series, style
from yolo_dropout.report.figures.runs import MOST_RUNS, draw_runs, end_labels
from yolo_dropout.spec.score import higher_is_better, metric_name

LEGEND_COLUMNS = 8
PAIRED = " Runs are missing: a thick line is {}'s mean plus the {}'s mean difference to it."


def validation_loss(curves: pd.DataFrame, verdict: Verdict, branch_note: str | None = None) -> Figure:
    """Validation loss by epoch: a line per treatment (mean over seeds), seeds faint behind it, minimum marked.

    The curves are tidy: rate or treatment, seed, epoch, metric, value. The small print names the verdict, and which
    branch the values describe on models with two (YOLO26).
    """
    return metric_curves(curves, VAL_LOSS, branch_note, ending=f" Verdict of the study: {verdict.clause}.")


def metric_curves(curves: pd.DataFrame, metric: str, branch_note: str | None = None, *, ending: str = "") -> Figure:
    """One metric (mAP, accuracy, ...) by epoch, drawn as `validation_loss` is; its best epoch is marked."""
    lower, name = not higher_is_better(metric), metric_name(metric)
    figure, (ax,) = style.new_figure()
    runs = series.by_run(curves, metric)
    palette = style.colours(series.labels_of(curves))
    ends = draw_runs(ax, runs, palette, lower=lower)
    style.epoch_axis(ax)
    subtitle = f"{capital(name)} by epoch, {'lower' if lower else 'higher'} is better"
    notes = [_how(curves, runs) + ending, branch_note]
    right_in = max(1.5, 0.3 + 0.085 * max(len(style.full_name(label)) for label in palette))
    style.finish(figure, _course_words(runs, name, lower=lower), subtitle, notes, right_in=right_in)
    end_labels(ax, ends, palette)
    return figure


def loss_components(curves: pd.DataFrame, branch_note: str | None = None) -> Figure:
    """The components of the validation loss as small multiples, each on its own scale."""
    parts = series.loss_parts(curves) or [VAL_LOSS]
    columns = 2 if len(parts) in (2, 4) else min(len(parts), 3)
    rows = ceil(len(parts) / columns)
    palette = style.colours(series.labels_of(curves))
    legend_in = 0.25 * (ceil(len(palette) / _legend_columns(palette)) - 1)
    figure, axes = style.new_figure(1.75 + 2.25 * rows + legend_in, rows, columns)
    tables = {part: series.by_run(curves, part) for part in parts}
    look: dict[str, Any] = {"color": style.INK, "fontsize": style.TEXT_PT, "fontweight": "bold", "parse_math": False}
    for ax, (part, runs) in zip(axes, tables.items(), strict=False):
        draw_runs(ax, runs, palette, lower=True, dot_pt=4.5)
        ax.set_title(_part_name(part), loc="left", **look)
        style.epoch_axis(ax)
        ax.locator_params(axis="x", nbins=4)
        ax.locator_params(axis="y", nbins=5)
    for ax in axes[len(parts) :]:
        ax.set_visible(False)
    subtitle = "Parts of the validation loss by epoch, lower is better"
    style.finish(figure, _parts_words(tables), subtitle, [_how(curves, tables[parts[0]]), branch_note])
    above = (0.45 + legend_in) / figure.get_figheight()
    figure.subplots_adjust(wspace=0.28, hspace=0.75, top=figure.subplotpars.top - above)
    _legend(figure, palette, 0.68 + legend_in)
    return figure


def _part_name(part: str) -> str:
    return metric_name(part).removesuffix(" (validation)")


def _course_words(runs: pd.DataFrame, name: str, *, lower: bool) -> str:
    """How the control's mean runs. Which treatment looks best is not said: that is the verdict's to say."""
    means = {label: line.dropna() for label, line in series.means_of(runs).items() if line.notna().any()}
    if not means:
        return f"No finite {name} in any run"
    label, line = next(iter(means.items()))
    epoch, best = series.best_epoch(line, lower=lower) or (0.0, 0.0)
    start = f"{capital(style.where(label))}, {name} is {'lowest' if lower else 'highest'}"
    if epoch == float(line.index.to_numpy()[-1]):
        return f"{start} at the end of training: {number(best)}"
    ends = (best, float(line.iloc[-1]))
    return f"{start} at epoch {epoch:g} ({number(best, ends)}) and ends at {number(ends[1], ends)}"


def _parts_words(tables: Mapping[str, pd.DataFrame]) -> str:
    """Which part of the loss overfits most in the control: its relative rise from minimum to end."""
    by_part = {part: series.means_of(runs) for part, runs in tables.items()}
    controls = {part: line for part, means in by_part.items() for label, line in means.items() if is_control(label)}
    lines = {part: line.dropna() for part, line in controls.items() if line.notna().any() and line.min() > 0}
    if not lines:
        return "The parts of the validation loss"
    start = capital(next(style.where(label) for means in by_part.values() for label in means))
    rise, worst = max((float(line.iloc[-1] / line.min() - 1), part) for part, line in lines.items())
    if rise < 0.01:
        return f"{start}, no part of the validation loss rises after its minimum"
    return f"{start}, {_part_name(worst)} rises most after its minimum: by {rise:.0%}"


def _how(curves: pd.DataFrame, runs: pd.DataFrame) -> str:
    keys = series.run_keys(runs)
    labels, blocks = {label for label, _ in keys}, {block for _, block in keys}
    noun = str(curves.columns[0])
    if len(blocks) < 2:
        return f"One seed per {noun}. Dot: best epoch."
    folds = f"{curves['fold'].nunique()} folds x " if "fold" in curves else ""
    over = folds + counted(curves["seed"].nunique(), "seed")
    single = "single runs" if len(keys) <= MOST_RUNS else f"{MOST_RUNS} of {len(keys)} runs"
    whole = len(keys) == len(labels) * len(blocks)
    paired = "" if whole else PAIRED.format("0.0" if noun == "rate" else "the control", noun)
    return f"Thick: mean over {over}. Faint: {single}. Dot: the mean's best epoch.{paired}"


def _legend_columns(palette: Mapping[Label, str]) -> int:
    longest = max(len(str(label)) for label in palette)
    return LEGEND_COLUMNS if longest < 10 else max(1, 100 // (longest + 5))


def _legend(figure: Figure, palette: Mapping[Label, str], above_in: float) -> None:
    handles = [
        Line2D([], [], color=colour, linewidth=2.2, linestyle=style.dashes(label, 0.75), label=style.full_name(label))
        for label, colour in palette.items()
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.008, figure.subplotpars.top + above_in / figure.get_figheight()),
        ncols=min(len(handles), _legend_columns(palette)),
        frameon=False,
        fontsize=style.TEXT_PT - 1,
        labelcolor=style.INK,
        handlelength=1.8,
        columnspacing=1.3,
    )

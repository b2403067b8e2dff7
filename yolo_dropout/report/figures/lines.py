"""Figures by epoch: validation loss, its components, mAP or accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from yolo_dropout.base.text import capital, counted, number, rate_text
from yolo_dropout.folder.results_csv import VAL_LOSS
from yolo_dropout.report.figures import series, style
from yolo_dropout.report.figures.runs import MOST_RUNS, draw_runs, end_labels
from yolo_dropout.spec.score import higher_is_better, metric_name

LEGEND_COLUMNS = 8
PAIRED = " Runs are missing: a thick line is 0.0's mean plus the rate's mean difference to it."

if TYPE_CHECKING:
    from yolo_dropout.decision import Verdict


def validation_loss(curves: pd.DataFrame, verdict: Verdict, branch_note: str | None = None) -> Figure:
    """Validation loss by epoch: a line per rate (mean over seeds), seeds faint behind it, minimum marked.

    Args:
        curves: Tidy curves with the columns rate, seed, epoch, metric, value.
        verdict: Its outcome is named in the small print.
        branch_note: What the values describe on models with two branches (YOLO26), as small print.
    """
    return metric_curves(curves, VAL_LOSS, branch_note, ending=f" Verdict of the study: {verdict.clause}.")


def metric_curves(curves: pd.DataFrame, metric: str, branch_note: str | None = None, *, ending: str = "") -> Figure:
    """One metric (mAP, accuracy, ...) by epoch, drawn as `validation_loss` is; its best epoch is marked."""
    lower, name = not higher_is_better(metric), metric_name(metric)
    figure, (ax,) = style.new_figure()
    runs = series.by_run(curves, metric)
    palette = style.colours(curves["rate"].unique().tolist())
    ends = draw_runs(ax, runs, palette, lower=lower)
    style.epoch_axis(ax)
    subtitle = f"{capital(name)} by epoch, {'lower' if lower else 'higher'} is better"
    notes = [_how(curves, runs) + ending, branch_note]
    style.finish(figure, _course_words(runs, name, lower=lower), subtitle, notes, right_in=1.5)
    end_labels(ax, ends, palette)
    return figure


def loss_components(curves: pd.DataFrame, branch_note: str | None = None) -> Figure:
    """The components of the validation loss as small multiples, each on its own scale."""
    parts = series.loss_parts(curves) or [VAL_LOSS]
    columns = 2 if len(parts) in (2, 4) else min(len(parts), 3)
    rows = ceil(len(parts) / columns)
    palette = style.colours(curves["rate"].unique().tolist())
    legend_in = 0.25 * (ceil(len(palette) / LEGEND_COLUMNS) - 1)
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
    """How the control's mean runs. Which rate looks best is not said: that is the verdict's to say."""
    means = {rate: line.dropna() for rate, line in series.mean_by_rate(runs).items() if line.notna().any()}
    if not means:
        return f"No finite {name} in any run"
    rate, line = min(means.items())
    where = "Without dropout" if rate == 0 else f"At rate {rate_text(rate)}"
    epoch, best = series.best_epoch(line, lower=lower) or (0.0, 0.0)
    start = f"{where}, {name} is {'lowest' if lower else 'highest'}"
    if epoch == float(line.index.to_numpy()[-1]):
        return f"{start} at the end of training: {number(best)}"
    ends = (best, float(line.iloc[-1]))
    return f"{start} at epoch {epoch:g} ({number(best, ends)}) and ends at {number(ends[1], ends)}"


def _parts_words(tables: Mapping[str, pd.DataFrame]) -> str:
    """Which part of the loss overfits most without dropout: its relative rise from minimum to end."""
    controls = {part: series.mean_by_rate(runs).get(0.0, pd.Series(dtype=float)) for part, runs in tables.items()}
    lines = {part: line.dropna() for part, line in controls.items() if line.notna().any() and line.min() > 0}
    if not lines:
        return "The parts of the validation loss"
    rise, worst = max((float(line.iloc[-1] / line.min() - 1), part) for part, line in lines.items())
    if rise < 0.01:
        return "Without dropout, no part of the validation loss rises after its minimum"
    return f"Without dropout, {_part_name(worst)} rises most after its minimum: by {rise:.0%}"


def _how(curves: pd.DataFrame, runs: pd.DataFrame) -> str:
    keys = series.run_keys(runs)
    rates, blocks = {rate for rate, _ in keys}, {block for _, block in keys}
    if len(blocks) < 2:
        return "One seed per rate. Dot: best epoch."
    folds = f"{curves['fold'].nunique()} folds x " if "fold" in curves else ""
    over = folds + counted(curves["seed"].nunique(), "seed")
    single = "single runs" if len(keys) <= MOST_RUNS else f"{MOST_RUNS} of {len(keys)} runs"
    paired = "" if len(keys) == len(rates) * len(blocks) else PAIRED
    return f"Thick: mean over {over}. Faint: {single}. Dot: the mean's best epoch.{paired}"


def _legend(figure: Figure, palette: Mapping[float, str], above_in: float) -> None:
    handles = [
        Line2D([], [], color=colour, linewidth=2.2, linestyle=style.dashes(rate, 0.75), label=style.rate_name(rate))
        for rate, colour in sorted(palette.items())
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.008, figure.subplotpars.top + above_in / figure.get_figheight()),
        ncols=min(len(handles), LEGEND_COLUMNS),
        frameon=False,
        fontsize=style.TEXT_PT - 1,
        labelcolor=style.INK,
        handlelength=1.8,
        columnspacing=1.3,
    )

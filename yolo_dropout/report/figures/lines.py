"""Figures by epoch: validation loss, its components, mAP or accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from yolo_dropout.base.text import capital, counted, number, rate_text
from yolo_dropout.folder.results_csv import VAL_LOSS
from yolo_dropout.report.figures import series, style
from yolo_dropout.report.figures.labels import end_labels
from yolo_dropout.report.figures.runs import MOST_RUNS, draw_runs
from yolo_dropout.spec.score import higher_is_better, metric_name

LEGEND_COLUMNS = 8
PAIRED = " Runs are missing: a thick line is 0.0's mean plus the rate's mean difference to it."

if TYPE_CHECKING:
    from yolo_dropout.decision import Verdict


def validation_loss(curves: pd.DataFrame, verdict: Verdict | None = None, branch_note: str | None = None) -> Figure:
    """Validation loss by epoch: a line per rate (mean over seeds), seeds faint behind it, minimum marked.

    Args:
        curves: Tidy curves with the columns rate, seed, epoch, metric, value.
        verdict: Its outcome is named in the small print; None where there is none yet.
        branch_note: What the values describe on models with two branches (YOLO26), as small print.
    """
    return _by_epoch(curves, VAL_LOSS, f"Verdict of the study: {verdict.clause}." if verdict else None, branch_note)


def metric_curves(curves: pd.DataFrame, metric: str, branch_note: str | None = None) -> Figure:
    """One metric (mAP, accuracy, ...) by epoch, drawn as `validation_loss` is; its best epoch is marked."""
    return _by_epoch(curves, metric, None, branch_note)


def loss_components(curves: pd.DataFrame, branch_note: str | None = None) -> Figure:
    """The components of the validation loss as small multiples, each on its own scale."""
    parts = series.loss_parts(curves) or [VAL_LOSS]
    columns = 2 if len(parts) in (2, 4) else min(len(parts), 3)
    rows = ceil(len(parts) / columns)
    palette = style.colours(curves["rate"].unique().tolist())
    legend_in = 0.25 * (ceil(len(palette) / LEGEND_COLUMNS) - 1)
    figure, axes = style.new_figure(1.75 + 2.25 * rows + legend_in, rows, columns)
    for ax, part in zip(axes, parts, strict=False):
        draw_runs(ax, series.by_run(curves, part), palette, lower=True, dot_pt=4.5)
        ax.set_title(
            metric_name(part).removesuffix(" (validation)"),
            loc="left",
            color=style.INK,
            fontsize=style.TEXT_PT,
            fontweight="bold",
            parse_math=False,
        )
        style.epoch_axis(ax)
        ax.locator_params(axis="x", nbins=4)
        ax.locator_params(axis="y", nbins=5)
    for ax in axes[len(parts) :]:
        ax.set_visible(False)
    style.finish(
        figure,
        _parts_words(curves, parts),
        "Parts of the validation loss by epoch, lower is better",
        [_how(curves, series.by_run(curves, parts[0])), branch_note],
    )
    figure.subplots_adjust(
        wspace=0.28, hspace=0.75, top=figure.subplotpars.top - (0.45 + legend_in) / figure.get_figheight()
    )
    _legend(figure, palette, 0.68 + legend_in)
    return figure


def _by_epoch(curves: pd.DataFrame, metric: str, ending: str | None, branch_note: str | None) -> Figure:
    lower = not higher_is_better(metric)
    figure, (ax,) = style.new_figure()
    runs = series.by_run(curves, metric)
    palette = style.colours(curves["rate"].unique().tolist())
    ends = draw_runs(ax, runs, palette, lower=lower)
    style.epoch_axis(ax)
    name = metric_name(metric)
    subtitle = f"{capital(name)} by epoch, {'lower' if lower else 'higher'} is better"
    notes = [" ".join(filter(None, [_how(curves, runs), ending])), branch_note]
    style.finish(figure, _course_words(runs, name, lower=lower), subtitle, notes, right_in=1.5)
    end_labels(ax, ends, palette)
    return figure


def _course_words(runs: pd.DataFrame, name: str, *, lower: bool) -> str:
    """How the control's mean runs. Which rate looks best is not said: that is the verdict's to say."""
    means = {rate: line for rate, line in series.mean_by_rate(runs).items() if line.notna().any()}
    if not means:
        return f"No finite {name} in any run"
    rate = min(means)
    where = "Without dropout" if rate == 0 else f"At rate {rate_text(rate)}"
    epoch, best = series.best_epoch(means[rate], lower=lower) or (0.0, 0.0)
    line = means[rate].dropna()
    last = float(line.iloc[-1])
    start = f"{where}, {name} is {'lowest' if lower else 'highest'}"
    if epoch == float(line.index.to_numpy()[-1]):
        return f"{start} at the end of training: {number(best)}"
    return f"{start} at epoch {epoch:g} ({number(best)}) and ends at {number(last)}"


def _parts_words(curves: pd.DataFrame, parts: list[str]) -> str:
    """Which part of the loss overfits most without dropout: its relative rise from minimum to end."""
    rises = {}
    for part in parts:
        means = series.mean_by_rate(series.by_run(curves, part))
        line = means.get(0.0, pd.Series(dtype=float)).dropna()
        if not line.empty and line.min() > 0:
            rises[part] = float(line.iloc[-1] / line.min() - 1)
    if not rises:
        return "The parts of the validation loss"
    worst = max(rises, key=lambda part: rises[part])
    if rises[worst] < 0.01:
        return "Without dropout, no part of the validation loss rises after its minimum"
    name = metric_name(worst).removesuffix(" (validation)")
    return f"Without dropout, {name} rises most after its minimum: by {rises[worst]:.0%}"


def _how(curves: pd.DataFrame, runs: pd.DataFrame) -> str:
    seeds, n_runs = int(curves["seed"].nunique()), runs.shape[1]
    if len(curves[series.block_columns(curves)].drop_duplicates()) < 2:
        return "One seed per rate. Dot: best epoch."
    folds = f"{curves['fold'].nunique()} folds x " if "fold" in curves else ""
    single = "single runs" if n_runs <= MOST_RUNS else f"{MOST_RUNS} of {n_runs} runs"
    rates, blocks = (len(set(keys)) for keys in zip(*series.run_keys(runs), strict=True))
    paired = "" if n_runs == rates * blocks else PAIRED
    return f"Thick: mean over {folds}{counted(seeds, 'seed')}. Faint: {single}. Dot: the mean's best epoch.{paired}"


def _legend(figure: Figure, palette: Mapping[float, str], above_in: float) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=colour,
            linewidth=2.2,
            linestyle=(0, (3, 1.2)) if rate == 0 else "-",
            label="0.0 (control)" if rate == 0 else rate_text(rate),
        )
        for rate, colour in sorted(palette.items())
    ]
    top = figure.subplotpars.top + above_in / figure.get_figheight()
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.008, top),
        ncols=min(len(handles), LEGEND_COLUMNS),
        frameon=False,
        fontsize=style.TEXT_PT - 1,
        labelcolor=style.INK,
        handlelength=1.8,
        columnspacing=1.3,
    )

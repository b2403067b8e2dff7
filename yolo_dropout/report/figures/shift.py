"""Figures of runs under shift: the score by severity, and which treatment gains or loses under which corruption."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from scipy import stats

from yolo_dropout.base.text import capital, number
from yolo_dropout.report.figures import style
from yolo_dropout.shift.sets import CLEAN
from yolo_dropout.spec.score import higher_is_better, metric_name

DIVERGING, PALE, ON_CELLS, NAMES_IN, ROW_IN = "PuOr", 1.8, "#111111", 1.75, 0.27
LEAST_BLOCKS = 3


def by_severity(measured: pd.DataFrame, metric: str) -> Figure:
    """The mean over corruptions and runs at each severity, a line per treatment; severity 0 is clean.

    Args:
        measured: As `results.shift.shift_of` returns it.
        metric: Of which metric.
    """
    column = str(measured.columns[0])
    own = measured[measured["metric"] == metric]
    means = own.pivot_table("value", "severity", column, sort=False).sort_index()
    figure, (ax,) = style.new_figure()
    for label, colour in style.colours(means.columns.to_list()).items():
        look: dict[str, Any] = {"color": colour, "linestyle": style.dashes(label), "label": style.full_name(label)}
        ax.plot(means.index, means[label], marker="o", markersize=5, linewidth=2, **look)
    ax.set_xticks(means.index, ["clean" if not level else str(level) for level in means.index])
    ax.set_xlabel("severity", color=style.MUTED, fontsize=style.TEXT_PT)
    for text in ax.legend(frameon=False, fontsize=style.TEXT_PT).get_texts():
        text.set_parse_math(False)
        text.set_color(style.INK)
    better = "higher" if higher_is_better(metric) else "lower"
    n = own.loc[own["corruption"] != CLEAN, "corruption"].nunique()
    subtitle = f"{capital(metric_name(metric))} by severity, {better} is better"
    notes = [f"Means over {n} corruptions of the validation images, and over all runs that were measured."]
    return style.finish(figure, f"{capital(metric_name(metric))} under shift", subtitle, notes)


def by_corruption(measured: pd.DataFrame, metric: str) -> Figure:
    """Paired differences to the control, a row per corruption and a column per treatment; clear ones are marked.

    Arguments are those of `by_severity`.
    """
    gains, p = paired_gains(measured, metric)
    figure, (ax,) = style.new_figure(2.4 + ROW_IN * len(gains))
    ax.grid(visible=False)
    reach = float(np.nanmax(np.abs(gains.to_numpy()), initial=1e-9))
    ax.pcolormesh(
        gains.to_numpy(), cmap=DIVERGING, norm=TwoSlopeNorm(0.0, -PALE * reach, PALE * reach), edgecolors=style.PAPER
    )
    for row, corruption in enumerate(gains.index):
        for place, label in enumerate(gains.columns):
            found = p is not None and p.loc[corruption, label] < 0.05
            told = f"{number(gains.loc[corruption, label], [0.0, reach])}{' *' if found else ''}"
            weight = "bold" if found else "normal"
            at: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": style.SMALL_PT + 0.5, "color": ON_CELLS}
            ax.text(place + 0.5, row + 0.5, told, fontweight=weight, **at)
    ax.set_yticks(
        np.arange(len(gains)) + 0.5,
        ["clean images" if name == CLEAN else name.replace("_", " ") for name in gains.index],
    )
    names = [style.full_name(label) for label in gains.columns]
    ax.set_xticks(np.arange(len(names)) + 0.5, names)
    ax.invert_yaxis()
    marks = f"* differs from the control: paired t, two-sided, 5 % for all {gains.size} cells together (Holm 1979)."
    marks = marks if p is not None else f"Nothing is marked: that takes {LEAST_BLOCKS} seeds, and no folds."
    title = f"{capital(metric_name(metric))} by corruption: gain over the control"
    subtitle = "Mean over severities, within each seed; above 0 is better than the control"
    style.finish(figure, title, subtitle, [marks])
    figure.subplots_adjust(left=NAMES_IN / style.WIDTH_IN)
    return figure


def paired_gains(measured: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Mean improvement on the control by corruption and treatment, and p-values corrected for all of these.

    Returns:
        Both with an index of corruptions, the clean images first, and a column per treatment beside the control. No
        p-values for fewer than three seeds, or of folds, which share training images.
    """
    column, sign = str(measured.columns[0]), 1 if higher_is_better(metric) else -1
    blocks = [name for name in ("seed", "fold") if name in measured]
    own = measured[measured["metric"] == metric]
    order = list(dict.fromkeys(own["corruption"]))
    means = own.pivot_table("value", [column, "corruption"], blocks, sort=False)
    control, *others = dict.fromkeys(own[column])
    pairs = {label: sign * (means.loc[label] - means.loc[control]).loc[order] for label in others}
    gains = pd.DataFrame({label: pair.mean(axis=1) for label, pair in pairs.items()}, index=order)
    if "fold" in blocks or any(pair.notna().sum(axis=1).min() < LEAST_BLOCKS for pair in pairs.values()):
        return gains, None
    raw = np.array([stats.ttest_1samp(pair, 0.0, axis=1, nan_policy="omit").pvalue for pair in pairs.values()]).T
    return gains, pd.DataFrame(_holm(np.nan_to_num(raw, nan=1.0)), gains.index, gains.columns)


def _holm(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p, axis=None)
    stepped = np.maximum.accumulate(p.ravel()[order] * np.arange(p.size, 0, -1)).clip(max=1.0)
    adjusted = np.empty(p.size)
    adjusted[order] = stepped
    return adjusted.reshape(p.shape)

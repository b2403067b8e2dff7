"""The figure of runs under shift: the score by severity."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from yolo_dropout.base.text import capital
from yolo_dropout.report.figures import style
from yolo_dropout.shift.sets import CLEAN
from yolo_dropout.spec.score import higher_is_better, metric_name


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

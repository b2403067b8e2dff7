"""Maps of gains: which treatment gains or loses under which corruption, or in which class."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from scipy import stats

from yolo_dropout.base.text import capital, number, printable
from yolo_dropout.report.figures import style
from yolo_dropout.shift.sets import CLEAN
from yolo_dropout.spec.score import higher_is_better, metric_name

DIVERGING, PALE, ON_CELLS, NAMES_IN, ROW_IN = "PuOr", 1.8, "#111111", 1.75, 0.27
LEAST_BLOCKS, MOST_ROWS, MOST_SIGNS = 3, 30, 20


def by_corruption(measured: pd.DataFrame, metric: str) -> Figure:
    """Paired differences to the control, a row per corruption and a column per treatment; clear ones are marked.

    Args:
        measured: As `results.shift.shift_of` returns it.
        metric: Of which metric.
    """
    subtitle = "Mean over severities, within each seed; above 0 is better than the control"
    return _map(measured, metric, "corruption", subtitle)


def by_class(measured: pd.DataFrame, metric: str) -> Figure:
    """The same by class; `measured` is as `results.by_run.classes_of` returns it."""
    return _map(
        measured,
        metric,
        "class",
        "Best epoch, within each seed; above 0 is better than the control, which stands in brackets",
    )


def _map(measured: pd.DataFrame, metric: str, by: str, subtitle: str) -> Figure:
    all_gains, p = paired_gains(measured, metric, by)
    gains, notes = _most(all_gains), []
    if len(gains) < len(all_gains):
        notes = [f"The {len(gains)} of {len(all_gains)} rows that differ most; all count in the correction."]
    figure, (ax,) = style.new_figure(2.4 + ROW_IN * len(gains))
    ax.grid(visible=False)
    reach = float(np.nanmax(np.abs(gains.to_numpy()), initial=1e-9))
    ax.pcolormesh(
        gains.to_numpy(), cmap=DIVERGING, norm=TwoSlopeNorm(0.0, -PALE * reach, PALE * reach), edgecolors=style.PAPER
    )
    for row, name in enumerate(gains.index):
        for place, label in enumerate(gains.columns):
            found = p is not None and p.loc[name, label] < 0.05
            told = f"{number(gains.loc[name, label], [0.0, reach])}{' *' if found else ''}"
            weight = "bold" if found else "normal"
            at: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": style.SMALL_PT + 0.5, "color": ON_CELLS}
            ax.text(place + 0.5, row + 0.5, told, fontweight=weight, **at)
    names = [_name(name, by) for name in gains.index]
    if by == "class":
        own = measured[(measured["metric"] == metric) & (measured.iloc[:, 0] == measured.iloc[0, 0])]
        control = own.groupby(by)["value"].mean().reindex(gains.index)
        names = [told if np.isnan(at) else f"{told} ({at:.2f})" for told, at in zip(names, control, strict=True)]
    ax.set_yticks(np.arange(len(gains)) + 0.5, names, parse_math=False)
    labels = [style.full_name(label) for label in gains.columns]
    ax.set_xticks(np.arange(len(labels)) + 0.5, labels, parse_math=False)
    ax.invert_yaxis()
    marks = f"* differs from the control: paired t, two-sided, 5 % for all {all_gains.size} cells together (Holm 1979)."
    notes += [marks if p is not None else f"Nothing is marked: that takes {LEAST_BLOCKS} seeds, and no folds."]
    style.finish(figure, f"{capital(metric_name(metric))} by {by}: gain over the control", subtitle, notes)
    figure.subplots_adjust(left=NAMES_IN / style.WIDTH_IN)
    return figure


def _most(gains: pd.DataFrame) -> pd.DataFrame:
    """The rows that differ most, in their order."""
    largest = np.argsort(-np.nan_to_num(gains.abs().max(axis=1).to_numpy()), kind="stable")[:MOST_ROWS]
    return gains.iloc[np.sort(largest)]


def _name(name: object, by: str) -> str:
    text = "clean images" if (by, name) == ("corruption", CLEAN) else printable(str(name)).replace("_", " ")
    return text if len(text) <= MOST_SIGNS else f"{text[: MOST_SIGNS - 1]}…"


def paired_gains(
    measured: pd.DataFrame, metric: str, by: str = "corruption"
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Mean improvement on the control by corruption, or class, and treatment, and p-values corrected for all of these.

    Returns:
        Both with an index of corruptions or classes, as they first come, and a column per treatment beside the control.
        No p-values for fewer than three seeds, or of folds, which share training images.
    """
    column, sign = str(measured.columns[0]), 1 if higher_is_better(metric) else -1
    blocks = [name for name in ("seed", "fold") if name in measured]
    own = measured[measured["metric"] == metric]
    order = list(dict.fromkeys(own[by]))
    means = own.pivot_table("value", [column, by], blocks, sort=False)
    control, *others = dict.fromkeys(own[column])
    pairs = {label: sign * (means.loc[label] - means.loc[control]).reindex(order) for label in others}
    gains = pd.DataFrame({label: pair.mean(axis=1) for label, pair in pairs.items()}, index=order)
    if "fold" in blocks or any(pair.notna().sum(axis=1).min() < LEAST_BLOCKS for pair in pairs.values()):
        return gains, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where a class, say, has the same value in all runs
        tests = [stats.ttest_1samp(pair, 0.0, axis=1, nan_policy="omit") for pair in pairs.values()]
    raw = np.array([test.pvalue for test in tests]).T
    return gains, pd.DataFrame(_holm(np.nan_to_num(raw, nan=1.0)), gains.index, gains.columns)


def _holm(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p, axis=None)
    stepped = np.maximum.accumulate(p.ravel()[order] * np.arange(p.size, 0, -1)).clip(max=1.0)
    adjusted = np.empty(p.size)
    adjusted[order] = stepped
    return adjusted.reshape(p.shape)

"""Draw the runs of one metric into axes, and name every treatment at its line's end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from yolo_dropout.base.text import Label, is_control, label_text
from yolo_dropout.report.figures import series, style

FEW_RUNS, MANY_RUNS, MOST_RUNS = 100, 150, 500
SETTLED = 0.2
EARLY_END = 0.85
LINE_SHARE = 0.075


def draw_runs(
    ax: Axes, runs: pd.DataFrame, palette: Mapping[Label, str], *, lower: bool, dot_pt: float = 6.5
) -> dict[Label, tuple[float, float]]:
    """Draw every run of `series.by_run` faint and every treatment's mean strong, its best epoch marked by a dot.

    Returns:
        The last point (epoch, value) of each treatment's mean, for labels.
    """
    if runs.empty:
        ax.text(0.5, 0.5, "no values", transform=ax.transAxes, color=style.MUTED, ha="center")
        return {}
    _faint(ax, runs, palette)
    ends = dict[Label, tuple[float, float]]()
    for label, mean in reversed(series.means_of(runs).items()):
        line, best = mean.dropna(), series.best_epoch(mean, lower=lower)
        if best is None:
            continue
        look: dict[str, Any] = {"linestyle": style.dashes(label), "marker": "." if len(line) == 1 else ""}
        look |= {"linewidth": 2.2, "solid_capstyle": "round", "zorder": 3 + is_control(label)}
        ax.plot(mean.index.to_numpy(), mean.to_numpy(), color=palette[label], **look)
        dot: dict[str, Any] = {"markersize": dot_pt, "markeredgecolor": style.PAPER, "zorder": 5}
        ax.plot(*([x] for x in best), "o", color=palette[label], **dot)
        ends[label] = (float(line.index.to_numpy()[-1]), float(line.iloc[-1]))
    ax.set_ylim(*frame(runs, lower=lower))
    return dict(reversed(ends.items()))


def _faint(ax: Axes, runs: pd.DataFrame, palette: Mapping[Label, str]) -> None:
    """All runs, or 500 of them evenly spread, since more only blacken the page."""
    many, places = runs.shape[1] > MANY_RUNS, evenly(runs.shape[1], MOST_RUNS)
    epochs = runs.index.to_numpy(dtype=float)
    lines = [np.column_stack([epochs, curve]) for curve in runs.iloc[:, places].to_numpy(dtype=float).T]
    tints = [palette[label] for label in runs.columns.get_level_values(0)[places]]
    width, alpha = (0.6, 0.07) if many else (0.9, 0.3)
    ax.add_collection(LineCollection(lines, colors=tints, linewidths=width, alpha=alpha, zorder=2, rasterized=many))


def evenly(size: int, limit: int) -> NDArray[np.int64]:
    """Places of at most `limit` of `size` things, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, size - 1, min(size, limit)).round().astype(np.int64))


def frame(runs: pd.DataFrame, *, lower: bool) -> tuple[float, float]:
    """Lower and upper end of the value axis: where rates differ.

    The steep first epochs and a diverged run may leave the frame, the best values may not.
    """
    settled = runs.loc[runs.index >= runs.index.max() * SETTLED]
    settled = settled if settled.notna().any(axis=None) else runs
    values = runs.to_numpy(dtype=float)
    worst = np.nanquantile(settled.to_numpy(dtype=float), 0.98 if lower else 0.02)
    best = np.nanmin(values) if lower else np.nanmax(values)
    if runs.shape[1] < FEW_RUNS:  # one of them is more than two in a hundred
        medians = settled.T.groupby(level=0, observed=True).median().to_numpy(dtype=float)
        usual = best + 2 * ((np.nanmax(medians) if lower else np.nanmin(medians)) - best)
        worst = min(worst, usual) if lower else max(worst, usual)
    far = best + 1.15 * (worst - best)
    pad = max(0.06 * abs(far - best), style.SAME * abs(best)) or 0.05
    return float(min(best, far) - pad), float(max(best, far) + pad)


def end_labels(ax: Axes, ends: Mapping[Label, tuple[float, float]], palette: Mapping[Label, str]) -> None:
    """Name every treatment at its line's end (epoch, value), joined by a short leader; the limits of `ax` are final."""
    low, high = ax.get_ylim()
    last = max((epoch for epoch, _ in ends.values()), default=0.0)
    look: dict[str, Any] = {"color": style.INK, "fontsize": style.TEXT_PT, "va": "center"}
    late = {label: end for label, end in ends.items() if end[0] >= EARLY_END * last}
    for label in (label for label in ends if label not in late):
        ax.annotate(label_text(label), ends[label], xytext=(7, 0), textcoords="offset points", **look)
    places = spread([(value - low) / (high - low) for _, value in late.values()], LINE_SHARE, 0.02, 0.98)
    for (label, (epoch, value)), place in zip(late.items(), places, strict=True):
        leader = {"arrowstyle": "-", "color": palette[label], "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
        ax.annotate(
            style.full_name(label),
            (epoch, min(max(value, low), high)),
            xytext=(1.035, place),
            textcoords="axes fraction",
            fontweight="bold" if is_control(label) else "normal",
            arrowprops=leader | {"relpos": (0, 0.5)},
            annotation_clip=False,
            **look,
        )


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places apart until neighbours are `gap` from each other, little and within [low, high].

    Places keep their order. Where they cannot all fit, they are spaced evenly over [low, high].
    """
    order = np.argsort(places, kind="stable")
    steps = np.arange(len(places)) * min(gap, (high - low) / max(len(places) - 1, 1))
    wanted = np.asarray(places, float)[order] - steps
    pushed_up, pushed_down = np.maximum.accumulate(wanted), np.minimum.accumulate(wanted[::-1])[::-1]
    moved = np.empty(len(places))
    moved[order] = np.clip((pushed_up + pushed_down) / 2 + steps, low + steps, high - steps[::-1])
    return [float(place) for place in moved]

"""Draw the runs of one metric into axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from yolo_dropout.report.figures import series, style

FEW_RUNS, MANY_RUNS, MOST_RUNS = 100, 150, 500
SETTLED = 0.2
# Differences below this share of the value are not worth an axis of their own.
SAME = 1e-3


def draw_runs(
    ax: Axes, runs: pd.DataFrame, palette: Mapping[float, str], *, lower: bool, dot_pt: float = 6.5
) -> dict[float, tuple[float, float]]:
    """Draw every run faint and every rate's mean strong, with its best epoch marked.

    Args:
        ax: Where to draw.
        runs: As `series.by_run` returns it.
        palette: Colour by rate.
        lower: Whether the best epoch is the lowest.
        dot_pt: Size of the dot that marks the best epoch, points.

    Returns:
        The last point (epoch, value) of each rate's mean, for labels.
    """
    if runs.empty:
        ax.text(0.5, 0.5, "no values", transform=ax.transAxes, color=style.MUTED, ha="center")
        return {}
    means = series.mean_by_rate(runs)
    _faint(ax, runs, palette)
    ends = {}
    for rate in sorted(means, reverse=True):
        line = means[rate].dropna()
        if line.empty:
            continue
        dashes = (0, (4, 1.6)) if rate == 0 else "-"
        _line(ax, means[rate], palette[rate], linewidth=2.2, linestyle=dashes, zorder=3 + (rate == 0))
        epoch, value = series.best_epoch(line, lower=lower) or (0.0, 0.0)
        ax.plot([epoch], [value], "o", color=palette[rate], markersize=dot_pt, markeredgecolor=style.PAPER, zorder=5)
        ends[rate] = (float(line.index.to_numpy()[-1]), float(line.iloc[-1]))
    ax.set_ylim(*frame(runs, lower=lower))
    return dict(sorted(ends.items()))


def _faint(ax: Axes, runs: pd.DataFrame, palette: Mapping[float, str]) -> None:
    many = runs.shape[1] > MANY_RUNS
    epochs = runs.index.to_numpy(dtype=float)
    shown = runs.iloc[:, shown_runs(runs.shape[1])]
    lines = [np.column_stack([epochs, curve]) for curve in shown.to_numpy(dtype=float).T]
    tints = [palette[float(rate)] for rate in shown.columns.get_level_values(0)]
    width, alpha = (0.6, 0.07) if many else (0.9, 0.3)
    ax.add_collection(LineCollection(lines, colors=tints, linewidths=width, alpha=alpha, zorder=2, rasterized=many))


def shown_runs(n_runs: int) -> NDArray[np.int64]:
    """Places of the runs that are drawn faint: all, or 500 of them evenly spread, since more only blacken the page."""
    return np.linspace(0, n_runs - 1, min(n_runs, MOST_RUNS)).round().astype(np.int64)


def _line(ax: Axes, curve: series.Curve, colour: str, **look: Any) -> None:
    alone = "." if curve.notna().sum() == 1 else ""
    ax.plot(curve.index.to_numpy(), curve.to_numpy(), color=colour, marker=alone, solid_capstyle="round", **look)


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
        medians = settled.T.groupby(level=0).median().to_numpy(dtype=float)
        usual = best + 2 * ((np.nanmax(medians) if lower else np.nanmin(medians)) - best)
        worst = min(worst, usual) if lower else max(worst, usual)
    far = best + 1.15 * (worst - best)
    pad = max(0.06 * abs(far - best), SAME * abs(best)) or 0.05
    return float(min(best, far) - pad), float(max(best, far) + pad)

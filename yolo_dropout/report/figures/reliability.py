"""Reliability diagrams: how often boxes are right, by their score."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from yolo_dropout.report.figures import style


@style.as_shipped
def reliability(
    curves: Mapping[str, pd.DataFrame], errors: Mapping[str, float], error: str = "D-ECE", what: str = "boxes"
) -> Figure:
    """One panel per way of scoring.

    Args:
        curves: Rows with `conf`, `right` and `boxes`, one per bin that has boxes.
        errors: The calibration error of each.
        error: What it is called.
        what: That is right or wrong.
    """
    figure, axes = style.new_figure(3.6, 1, len(curves))
    most = max(int(curve.boxes.max()) for curve in curves.values())
    for ax, (way, curve) in zip(axes, curves.items(), strict=True):
        ax.plot([0, 1], [0, 1], color=style.MUTED, linewidth=1, linestyle="--")
        ax.plot(curve.conf, curve.right, color=style.INK, linewidth=1.2, alpha=0.5)
        ax.scatter(curve.conf, curve.right, s=6 + 90 * curve.boxes / most, color=style.INK, linewidth=0)
        ax.set(xlim=(0, 1), ylim=(-0.02, 1.02), aspect="equal")
        ax.set_xlabel("score", color=style.MUTED, fontsize=style.SMALL_PT + 1)
        ax.set_title(f"{way}\n{error} {errors[way]:.3f}", fontsize=style.TEXT_PT, color=style.INK, loc="left")
    axes[0].set_ylabel(f"share of right {what}", color=style.MUTED, fontsize=style.SMALL_PT + 1)
    figure.suptitle(
        f"Do scores mean what they say? On the dashed line they do; a dot's area is its number of {what}",
        fontsize=style.TEXT_PT,
        color=style.INK,
        x=0.02,
        ha="left",
    )
    figure.tight_layout()
    return figure

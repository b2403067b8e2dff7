"""The effects of treatments: how much each improves on the control, with its interval and every seed's difference."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from yolo_dropout.base.text import capital, number
from yolo_dropout.decision import Verdict
from yolo_dropout.report.figures import style
from yolo_dropout.report.figures.rates import MANY_SEEDS, band_words, bars_words, verdict_title
from yolo_dropout.results.table import folds_of
from yolo_dropout.spec.score import Score

NAME_SIGNS, NAMES_IN = 22, 1.75
ASIDE = 0.16


def effects(scores: pd.DataFrame, score: Score, verdict: Verdict, branch_note: str | None = None) -> Figure:
    """Improvement over the control by treatment, in order: mean, limits, and a dot per seed.

    A zero line stands for the control, a band for the gains that are too small to matter. The scores have the seeds as
    index and one column per treatment, the control first; NaN where a run is missing.
    """
    values = scores.replace([np.inf, -np.inf], np.nan).astype(float)
    labels: list[Any] = values.columns.to_list()[1:]
    gains = values[labels].sub(values.iloc[:, 0], axis=0) * (1 if score.higher_is_better else -1)
    figure, (ax,) = style.new_figure(2.2 + 0.55 * len(labels))
    ax.grid(visible=False, axis="y")
    ax.grid(visible=True, axis="x", color=style.GRID, linewidth=0.8)
    if verdict.relevant:
        ax.axvspan(-verdict.relevant, verdict.relevant, color=style.MUTED, alpha=0.08, linewidth=0, zorder=0)
    ax.axvline(0.0, color=style.INK, linewidth=1.2, linestyle=style.dashes(0.0), zorder=1)
    palette, means = style.colours(values.columns.to_list()), [c.difference for c in verdict.comparisons]
    dots: dict[str, Any] = {"markersize": 4.5, "alpha": 0.2 if len(values) > MANY_SEEDS else 0.65, "zorder": 2}
    diamond: dict[str, Any] = {"markersize": 8.5, "markeredgecolor": style.PAPER, "markeredgewidth": 1.4, "zorder": 5}
    text: dict[str, Any] = {"fontsize": style.TEXT_PT - 0.5, "color": style.INK, "va": "center", "zorder": 6}
    for place, (label, c) in enumerate(zip(labels, verdict.comparisons, strict=True)):
        colour = palette[label]
        ax.plot(gains[label], np.full(len(gains), place + ASIDE), "o", color=colour, markeredgewidth=0, **dots)
        if c in verdict.shown and c.low is not None and c.high is not None:
            ax.plot((c.low, c.high), [place - ASIDE] * 2, "|-", color=colour, linewidth=2, markersize=9, zorder=3)
        if c.difference is not None:
            ax.plot([c.difference], [place - ASIDE], "D", color=colour, **diamond)
            chosen = ", chosen" if verdict.decided and c.treatment == verdict.treatment else ""
            told = f"{number(c.difference, [0.0, *means])}{chosen}"
            ax.annotate(told, (1.01, place - ASIDE), xycoords=("axes fraction", "data"), **text)
    ax.set_yticks(range(len(labels)), [fill(style.full_name(label), NAME_SIGNS) for label in labels])
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set_xlabel("improvement on the control: right of the dashed line is better", color=style.MUTED)
    subtitle = f"{capital(score.words)}: difference of each run to the control of its {_block(scores)}"
    notes = [_reading(verdict, _block(scores)), branch_note]
    style.finish(figure, verdict_title(verdict, score.words), subtitle, notes, right_in=1.2)
    figure.subplots_adjust(left=NAMES_IN / style.WIDTH_IN)
    return figure


def _block(scores: pd.DataFrame) -> str:
    return "seed" if folds_of(scores) is None else "seed and fold"


def _reading(verdict: Verdict, block: str) -> str:
    return f"Diamonds: means; dots: one {block} each.{band_words(verdict)}{bars_words(verdict, block)}"

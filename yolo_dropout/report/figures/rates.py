"""Figures by treatment: the score that decides, and the overfitting gap."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from yolo_dropout.base.text import Label, capital, is_control, label_text, number
from yolo_dropout.decision import Verdict
from yolo_dropout.report.figures import series, style
from yolo_dropout.results.table import folds_of
from yolo_dropout.spec.score import Score

MANY_SEEDS = 40
ASIDE = 0.14
TICK_SIGNS = 12


def rate_response(scores: pd.DataFrame, score: Score, verdict: Verdict, branch_note: str | None = None) -> Figure:
    """Rate against score: every seed's points joined, mean and interval per rate, chosen rate marked.

    The interval of a rate is that of the verdict of its paired difference to the control, put at the control's mean: a
    bar clear of the dashed line, on the better side, is a real gain. One seed: no bar. The scores have the seeds as
    index and one column per rate, NaN where a run is missing.
    """
    figure, (ax,) = style.new_figure(4.8)
    values = scores.replace([np.inf, -np.inf], np.nan).astype(float)
    _pairs(ax, values)
    means, palette = series.paired_means(values), _palette(values)
    look: dict[str, Any] = {"linewidth": 2, "markersize": 9, "markeredgewidth": 2, "zorder": 3}
    for label, ends in series.paired_limits(means, verdict, higher=score.higher_is_better).items():
        ax.plot([list(means).index(label) + ASIDE] * 2, ends, "_-", color=palette[label], **look)
    _means(ax, values, verdict.treatment if verdict.decided else None)
    if (gain := verdict.relevant) and np.isfinite(control := next(iter(means.values()))):
        ax.axhspan(control - gain, control + gain, color=style.MUTED, alpha=0.08, linewidth=0, zorder=0)
    low, high = ax.get_ylim()
    pad = max(0.0, style.SAME * abs(high) - (high - low))  # runs that are all alike need no axis of their own
    ax.set_ylim(low - pad / 2, high + pad / 2)
    subtitle = f"{capital(score.words)} of each run, {'higher' if score.higher_is_better else 'lower'} is better"
    notes = [_reading(values, verdict), branch_note]
    return style.finish(figure, verdict_title(verdict, score.words), subtitle, notes)


def overfitting_gap(values: pd.DataFrame, branch_note: str | None = None) -> Figure:
    """How far the validation loss has risen above its minimum by the end of training, by treatment."""
    figure, (ax,) = style.new_figure(4.2)
    _pairs(ax, values)
    _means(ax, values, None)
    largest = float(np.nanmax(values.to_numpy(), initial=0.0)) or 1.0
    ax.set_ylim(-0.04 * largest, 1.08 * largest)
    note = "Mean of the last tenth of the epochs minus the run's minimum; 0: no overfitting. Diamonds: means."
    subtitle = "Rise of the validation loss from its minimum to the end, lower is better"
    return style.finish(figure, _gap_title(values), subtitle, [note, branch_note])


def _palette(values: pd.DataFrame) -> dict[Label, str]:
    return style.colours(values.columns.to_list())


def _pairs(ax: Axes, values: pd.DataFrame) -> None:
    """Every seed's points, joined: what is compared is compared within a seed."""
    places, palette, many = np.arange(values.shape[1]), _palette(values), len(values) > MANY_SEEDS
    lines = [np.column_stack([places, row])[np.isfinite(row)] for row in values.to_numpy(dtype=float)]
    thin: dict[str, Any] = {"linewidths": 0.8, "alpha": 0.1 if many else 0.4, "zorder": 1, "rasterized": many}
    ax.add_collection(LineCollection(lines, colors=style.MUTED, **thin))
    dots: dict[str, Any] = {"markersize": 4.5, "alpha": 0.2 if many else 0.65, "markeredgewidth": 0, "zorder": 2}
    for place, (label, colour) in zip(places, palette.items(), strict=True):
        ax.plot(np.full(len(values), place), values[label], "o", color=colour, rasterized=many, **dots)
    ax.set_xticks(places, [fill(style.full_name(label), TICK_SIGNS) for label in palette])
    crowded = 0.05 * max(0, len(places) - 6)  # the last mean is written to the right of its diamond
    ax.set_xlim(-0.5, max(len(places) - 0.5, 0.5) + crowded)
    ax.set_xlabel(
        "treatment" if isinstance(values.columns[0], str) else "dropout rate", color=style.MUTED, fontsize=style.TEXT_PT
    )
    if not np.isfinite(values.to_numpy(dtype=float)).any():
        ax.text(0.5, 0.5, "no finite score", transform=ax.transAxes, color=style.MUTED, ha="center")


def _means(ax: Axes, values: pd.DataFrame, chosen: str | None) -> None:
    """Every mean with its number, a dashed line at the control's, and the chosen treatment marked."""
    means, palette = series.paired_means(values), _palette(values)
    diamond: dict[str, Any] = {"markersize": 8.5, "markeredgecolor": style.PAPER, "markeredgewidth": 1.4, "zorder": 5}
    text: dict[str, Any] = {"textcoords": "offset points", "fontsize": style.TEXT_PT - 0.5, "color": style.INK}
    box = {"boxstyle": "round,pad=0.12", "facecolor": style.PAPER, "edgecolor": "none", "alpha": 0.75}
    for place, (label, mean) in enumerate(means.items()):
        if not np.isfinite(mean):
            continue
        if is_control(label):
            ax.axhline(mean, color=style.INK, linewidth=1.2, linestyle=(0, (4, 2.5)), zorder=2.5)
        point = (place + ASIDE, mean)
        ax.plot(*([x] for x in point), "D", color=palette[label], **diamond)
        ax.annotate(number(mean, means.values()), point, xytext=(8, 0), va="center", zorder=6, bbox=box, **text)
        if label_text(label) == chosen:
            ax.axvspan(place - 0.42, place + 0.42, color=palette[label], alpha=0.09, linewidth=0, zorder=0)
            top: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "fontweight": "bold"}
            ax.annotate("chosen", (place, 1), xytext=(0, -4), ha="center", va="top", **top, **text)


def _reading(values: pd.DataFrame, verdict: Verdict) -> str:
    present = np.isfinite(values.to_numpy(dtype=float))
    missing, block = int((~present).sum()), "seed" if folds_of(values) is None else "seed and fold"
    text = f"Diamonds: means; dots joined by a line: one {block}; dashed: no dropout."
    text += band_words(verdict)
    text += bars_words(verdict, block) or (" One seed has no interval." if len(values) < 2 else "")
    paired = f": a diamond is {paired_words(verdict)}" if present[:, 0].any() else ""
    return text + (f" {missing} of {values.size} runs were not made or have no score{paired}." if missing else "")


def paired_words(verdict: Verdict) -> str:
    """What a mean is where runs are missing."""
    return f"{verdict.control_name}'s mean plus the {verdict.noun}'s mean difference to it"


def band_words(verdict: Verdict) -> str:
    """What the band around the control is; empty where no gain is known to matter."""
    return f" Band: less than {number(verdict.relevant)} off, too little to matter." if verdict.relevant else ""


def bars_words(verdict: Verdict, block: str) -> str:
    """What the bars of `rate_response` are, and what may be read from them; empty where there are none."""
    if all(c.low is None for c in verdict.shown):
        return ""
    to = f"the difference to {verdict.named(verdict.control)}, paired by {block}"
    limits = f" Bars: lower and upper {verdict.confidence} limits of {to}"
    if verdict.outcome == "exploratory":
        return f"{limits}, too few to claim anything."
    none = "" if verdict.shown == verdict.comparisons else f" A {verdict.noun} with fewer than three pairs has none."
    return f"{limits}, all {verdict.noun}s at once: clear of the dashed line means a real difference.{none}"


def _gap_title(values: pd.DataFrame) -> str:
    means = {label: mean for label, mean in series.paired_means(values).items() if np.isfinite(mean)}
    if not means:
        return "Overfitting gap: no finite validation loss"
    smallest = min(means, key=lambda label: means[label])
    told = [
        f"{number(means[label], means.values())} {style.where(label)}"
        for label in dict.fromkeys([values.columns[0], smallest])
        if label in means
    ]
    return f"Overfitting by the end of training: {', '.join(told)}"


def verdict_title(verdict: Verdict, score_name: str) -> str:
    """The verdict and what carries it, for the figure of the score that decides."""
    if verdict.outcome == "use":
        gains = {verdict.control: 0.0} | {c.treatment: c.difference for c in verdict.comparisons}
        return f"{verdict.title}: {score_name} better by {number(gains[verdict.treatment], gains.values())}"
    unclear = f"no {verdict.noun} clearly beats {verdict.control_name}, but one still may"
    reasons = {
        "keep": f": no {verdict.noun} brings a gain that matters",
        "undecided": f": {unclear}" if verdict.moved else ": nothing was measured",
    }
    return verdict.title + reasons.get(verdict.outcome, "")

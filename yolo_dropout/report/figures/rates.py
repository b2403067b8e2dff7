"""Figures by rate: the score that decides, and the overfitting gap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from yolo_dropout.base.text import capital, number, rate_text
from yolo_dropout.report.figures import series, style
from yolo_dropout.results.table import folds_of
from yolo_dropout.spec.score import Score

if TYPE_CHECKING:
    from yolo_dropout.decision import Verdict

MANY_SEEDS = 40
ASIDE = 0.14


def rate_response(scores: pd.DataFrame, score: Score, verdict: Verdict, branch_note: str | None = None) -> Figure:
    """Rate against score: every seed's points joined, mean and interval per rate, chosen rate marked.

    The interval of a rate is the verdict's simultaneous interval of its paired difference to the control, put
    at the control's mean: a bar clear of the dashed line is a real difference. One seed: no bar.

    Args:
        scores: Index seed, one column per rate, NaN where a run is missing.
        score: What they are.
        verdict: As `decide` returns it for them.
        branch_note: What the values describe on models with two branches, as small print.
    """
    figure, (ax,) = style.new_figure(4.8)
    values = scores.replace([np.inf, -np.inf], np.nan).astype(float)
    _pairs(ax, values)
    means, palette = series.paired_means(values), _palette(values)
    look: dict[str, Any] = {"linewidth": 2, "markersize": 9, "markeredgewidth": 2, "zorder": 3}
    for rate, ends in series.paired_limits(means[0.0], verdict, higher=score.higher_is_better).items():
        ax.plot([list(means).index(rate) + ASIDE] * 2, ends, "_-", color=palette[rate], **look)
    _means(ax, values, verdict.rate if verdict.decided else None)
    low, high = ax.get_ylim()
    pad = max(0.0, style.SAME * abs(high) - (high - low))  # runs that are all alike need no axis of their own
    ax.set_ylim(low - pad / 2, high + pad / 2)
    subtitle = f"{capital(score.words)} of each run, {'higher' if score.higher_is_better else 'lower'} is better"
    notes = [_reading(values, verdict), branch_note]
    return style.finish(figure, _response_title(verdict, score.words), subtitle, notes)


def overfitting_gap(values: pd.DataFrame, branch_note: str | None = None) -> Figure:
    """How far the validation loss has risen above its minimum by the end of training, by rate."""
    figure, (ax,) = style.new_figure(4.2)
    _pairs(ax, values)
    _means(ax, values, None)
    largest = float(np.nanmax(values.to_numpy(), initial=0.0)) or 1.0
    ax.set_ylim(-0.04 * largest, 1.08 * largest)
    note = "Mean of the last tenth of the epochs minus the run's minimum; 0: no overfitting. Diamonds: means."
    subtitle = "Rise of the validation loss from its minimum to the end, lower is better"
    return style.finish(figure, _gap_title(values), subtitle, [note, branch_note])


def _palette(values: pd.DataFrame) -> dict[float, str]:
    return style.colours([float(rate) for rate in values.columns])


def _pairs(ax: Axes, values: pd.DataFrame) -> None:
    """Every seed's points, joined: what is compared is compared within a seed."""
    places, palette, many = np.arange(values.shape[1]), _palette(values), len(values) > MANY_SEEDS
    lines = [np.column_stack([places, row])[np.isfinite(row)] for row in values.to_numpy(dtype=float)]
    thin: dict[str, Any] = {"linewidths": 0.8, "alpha": 0.1 if many else 0.4, "zorder": 1, "rasterized": many}
    ax.add_collection(LineCollection(lines, colors=style.MUTED, **thin))
    dots: dict[str, Any] = {"markersize": 4.5, "alpha": 0.2 if many else 0.65, "markeredgewidth": 0, "zorder": 2}
    for place, (rate, colour) in zip(places, palette.items(), strict=True):
        ax.plot(np.full(len(values), place), values[rate], "o", color=colour, rasterized=many, **dots)
    ax.set_xticks(places, [style.rate_name(rate).replace(" ", "\n") for rate in palette])
    crowded = 0.05 * max(0, len(places) - 6)  # the last mean is written to the right of its diamond
    ax.set_xlim(-0.5, max(len(places) - 0.5, 0.5) + crowded)
    ax.set_xlabel("dropout rate", color=style.MUTED, fontsize=style.TEXT_PT)
    if not np.isfinite(values.to_numpy(dtype=float)).any():
        ax.text(0.5, 0.5, "no finite score", transform=ax.transAxes, color=style.MUTED, ha="center")


def _means(ax: Axes, values: pd.DataFrame, chosen: float | None) -> None:
    """Every rate's mean with its number, a dashed line at the control's, and the chosen rate marked."""
    means, palette = series.paired_means(values), _palette(values)
    diamond: dict[str, Any] = {"markersize": 8.5, "markeredgecolor": style.PAPER, "markeredgewidth": 1.4, "zorder": 5}
    text: dict[str, Any] = {"textcoords": "offset points", "fontsize": style.TEXT_PT - 0.5, "color": style.INK}
    box = {"boxstyle": "round,pad=0.12", "facecolor": style.PAPER, "edgecolor": "none", "alpha": 0.75}
    for place, (rate, mean) in enumerate(means.items()):
        if not np.isfinite(mean):
            continue
        if rate == 0:
            ax.axhline(mean, color=style.INK, linewidth=1.2, linestyle=(0, (4, 2.5)), zorder=2.5)
        point = (place + ASIDE, mean)
        ax.plot(*([x] for x in point), "D", color=palette[rate], **diamond)
        ax.annotate(number(mean, means.values()), point, xytext=(8, 0), va="center", zorder=6, bbox=box, **text)
        if rate == chosen:
            ax.axvspan(place - 0.42, place + 0.42, color=palette[rate], alpha=0.09, linewidth=0, zorder=0)
            top: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "fontweight": "bold"}
            ax.annotate("chosen", (place, 1), xytext=(0, -4), ha="center", va="top", **top, **text)


def _reading(values: pd.DataFrame, verdict: Verdict) -> str:
    present = np.isfinite(values.to_numpy(dtype=float))
    missing, block = int((~present).sum()), "seed" if folds_of(values) is None else "seed and fold"
    text = f"Diamonds: means; dots joined by a line: one {block}; dashed: no dropout."
    text += bars_words(verdict, block) or (" One seed has no interval." if len(values) < 2 else "")
    paired = ": a diamond is 0.0's mean plus the rate's mean difference to it" if present[:, 0].any() else ""
    return text + (f" {missing} of {values.size} runs were not made or have no score{paired}." if missing else "")


def bars_words(verdict: Verdict, block: str) -> str:
    """What the bars of `rate_response` are, and what may be read from them; empty where there are none."""
    if all(c.low is None for c in verdict.shown):
        return ""
    limits = f" Bars: lower and upper {verdict.confidence} limits of the difference to rate 0.0, paired by {block}"
    if verdict.outcome == "exploratory":
        return f"{limits}, too few to claim anything."
    none = "" if verdict.shown == verdict.comparisons else " A rate with fewer than three pairs has none."
    return f"{limits}, all rates at once: clear of the dashed line means a real difference.{none}"


def _gap_title(values: pd.DataFrame) -> str:
    means = {rate: mean for rate, mean in series.paired_means(values).items() if np.isfinite(mean)}
    if not means:
        return "Overfitting gap: no finite validation loss"
    smallest = min(means, key=lambda rate: means[rate])
    told = [
        f"{number(means[rate], means.values())} {f'at rate {rate_text(rate)}' if rate else 'without dropout'}"
        for rate in dict.fromkeys([0.0, smallest])
        if rate in means
    ]
    return f"Overfitting by the end of training: {', '.join(told)}"


def _response_title(verdict: Verdict, score_name: str) -> str:
    """The verdict and what carries it, for the figure of rates against score."""
    if verdict.outcome == "use":
        gains = {0.0: 0.0} | {c.rate: c.difference for c in verdict.comparisons}
        return f"{verdict.title}: {score_name} better by {number(gains[verdict.rate], gains.values())}"
    reasons = {
        "keep": ": no rate brings a gain that matters",
        "undecided": ": no rate clearly beats 0.0, but one still may" if verdict.moved else ": nothing was measured",
    }
    return verdict.title + reasons.get(verdict.outcome, "")

"""Figures by rate: the score that decides, and the overfitting gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from yolo_dropout.base.text import capital, number, rate_text
from yolo_dropout.report.figures import series, style
from yolo_dropout.report.figures.runs import SAME
from yolo_dropout.results.table import folds_of
from yolo_dropout.spec.score import Score

if TYPE_CHECKING:
    from yolo_dropout.decision import Verdict

MANY_SEEDS = 40
ASIDE = 0.14
PAIRED = "a diamond is 0.0's mean plus the rate's mean difference to it."


def rate_response(
    scores: pd.DataFrame, score: Score, verdict: Verdict | None = None, *, branch_note: str | None = None
) -> Figure:
    """Rate against score: every seed's points joined, mean and interval per rate, chosen rate marked.

    The interval of a rate is the verdict's simultaneous interval of its paired difference to the control, put
    at the control's mean: a bar clear of the dashed line is a real difference. One seed: no bar.

    Args:
        scores: Index seed, one column per rate, NaN where a run is missing.
        score: What they are.
        verdict: As `decide` returns it for them; None where there is none.
        branch_note: What the values describe on models with two branches, as small print.
    """
    figure, (ax,) = style.new_figure(4.8)
    name = score.words
    values = scores.replace([np.inf, -np.inf], np.nan).astype(float)
    _pairs(ax, values)
    intervals = _intervals(values, verdict, sign=1.0 if score.higher_is_better else -1.0)
    for place, low, high, colour in intervals:
        ax.plot(
            [place + ASIDE] * 2, [low, high], "_-", color=colour, linewidth=2, markersize=9, markeredgewidth=2, zorder=3
        )
    _means(ax, values, verdict)
    low, high = ax.get_ylim()
    pad = max(0.0, SAME * abs(high) - (high - low))  # runs that are all alike need no axis of their own
    ax.set_ylim(low - pad / 2, high + pad / 2)
    subtitle = f"{capital(name)} of each run, {'higher' if score.higher_is_better else 'lower'} is better"
    notes = [_reading(values, bool(intervals), verdict), branch_note]
    return style.finish(figure, response_title(verdict, name) if verdict else capital(name), subtitle, notes)


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


def _pairs(ax: Axes, values: pd.DataFrame) -> None:
    """Every seed's points, joined: what is compared is compared within a seed."""
    places = np.arange(values.shape[1])
    palette = style.colours([float(rate) for rate in values.columns])
    many = len(values) > MANY_SEEDS
    rows = values.to_numpy(dtype=float)
    lines = [np.column_stack([places, row])[np.isfinite(row)] for row in rows]
    ax.add_collection(
        LineCollection(lines, colors=style.MUTED, linewidths=0.8, alpha=0.1 if many else 0.4, zorder=1, rasterized=many)
    )
    for place, rate in zip(places, values.columns, strict=True):
        ax.plot(
            np.full(len(values), place),
            values[rate],
            "o",
            color=palette[float(rate)],
            markersize=4.5,
            alpha=0.2 if many else 0.65,
            markeredgewidth=0,
            zorder=2,
            rasterized=many,
        )
    ax.set_xticks(places, [_tick(float(rate)) for rate in values.columns])
    crowded = 0.05 * max(0, len(places) - 6)  # the last mean is written to the right of its diamond
    ax.set_xlim(-0.5, max(len(places) - 0.5, 0.5) + crowded)
    ax.set_xlabel("dropout rate", color=style.MUTED, fontsize=style.TEXT_PT)
    if not np.isfinite(values.to_numpy(dtype=float)).any():
        ax.text(0.5, 0.5, "no finite score", transform=ax.transAxes, color=style.MUTED, ha="center")


def _means(ax: Axes, values: pd.DataFrame, verdict: Verdict | None) -> None:
    palette = style.colours([float(rate) for rate in values.columns])
    chosen = verdict.rate if verdict is not None and verdict.decided else None
    means = series.paired_means(values)
    for place, (rate, mean) in enumerate(means.items()):
        if not np.isfinite(mean):
            continue
        if rate == 0:
            ax.axhline(mean, color=style.INK, linewidth=1.2, linestyle=(0, (4, 2.5)), zorder=2.5)
        ax.plot(
            [place + ASIDE],
            [mean],
            "D",
            color=palette[rate],
            markersize=8.5,
            markeredgecolor=style.PAPER,
            markeredgewidth=1.4,
            zorder=5,
        )
        ax.annotate(
            number(mean, means.values()),
            (place + ASIDE, mean),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.TEXT_PT - 0.5,
            color=style.INK,
            zorder=6,
            bbox={"boxstyle": "round,pad=0.12", "facecolor": style.PAPER, "edgecolor": "none", "alpha": 0.75},
        )
        if rate == chosen:
            ax.axvspan(place - 0.42, place + 0.42, color=palette[rate], alpha=0.09, linewidth=0, zorder=0)
            ax.annotate(
                "chosen",
                (place, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, -4),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=style.TEXT_PT - 0.5,
                fontweight="bold",
                color=style.INK,
            )


def _intervals(values: pd.DataFrame, verdict: Verdict | None, sign: float) -> list[tuple[int, float, float, str]]:
    """Place, both ends and colour of each rate's paired interval, on the score's own scale."""
    if verdict is None or 0.0 not in values.columns:
        return []
    palette = style.colours([float(rate) for rate in values.columns])
    means = series.paired_means(values)
    control, places = means[0.0], {rate: place for place, rate in enumerate(means)}
    return [
        (places[c.rate], control + sign * c.low, control + sign * c.high, palette[c.rate])
        for c in verdict.shown
        if c.rate in places and c.low is not None and c.high is not None and np.isfinite([c.low, c.high]).all()
    ]


def _reading(values: pd.DataFrame, intervals: bool, verdict: Verdict | None) -> str:
    missing = int((~np.isfinite(values.to_numpy(dtype=float))).sum())
    block = "seed and fold" if folds_of(values) is not None else "seed"
    text = f"Diamonds: means; dots joined by a line: one {block}; dashed: no dropout."
    if intervals and verdict is not None:
        text += f" Bars: {bars_words(verdict, block)}"
    elif len(values) < 2:
        text += " One seed has no interval."
    paired = f": {PAIRED}" if 0.0 in values and np.isfinite(values[0.0]).any() else "."
    return text + (f" {missing} of {values.size} runs were not made or have no score{paired}" if missing else "")


def _gap_title(values: pd.DataFrame) -> str:
    means = {rate: mean for rate, mean in series.paired_means(values).items() if np.isfinite(mean)}
    if not means:
        return "Overfitting gap: no finite validation loss"
    smallest = min(means, key=lambda rate: means[rate])
    shown = [rate for rate in dict.fromkeys([0.0, smallest]) if rate in means]
    places = {rate: "without dropout" if rate == 0 else f"at rate {rate_text(rate)}" for rate in shown}
    parts = [f"{number(means[rate], means.values())} {places[rate]}" for rate in shown]
    return f"Overfitting by the end of training: {', '.join(parts)}"


def _tick(rate: float) -> str:
    return "0.0\n(control)" if rate == 0 else rate_text(rate)


def response_title(verdict: Verdict, score_name: str) -> str:
    """The verdict and what carries it, for the figure of rates against score."""
    words = verdict.title
    gain = next((c.difference for c in verdict.comparisons if c.rate == verdict.rate), None)
    if verdict.outcome == "use" and gain is not None:
        among = [0.0] + [c.difference for c in verdict.comparisons if c.difference is not None]
        return f"{words}: {score_name} better by {number(gain, among)}"
    reasons = {
        "keep": ": no rate brings a gain that matters",
        "undecided": ": no rate clearly beats 0.0, but one still may" if verdict.moved else ": nothing was measured",
    }
    return words + reasons.get(verdict.outcome, "")


def bars_words(verdict: Verdict, block: str) -> str:
    """What the bars of `rate_response` are, and what may be read from them."""
    limits = f"lower and upper {100 * (1 - verdict.alpha):g} % limits of the difference to rate 0.0"
    if verdict.outcome == "exploratory":
        return f"{limits}, paired by {block}, too few to claim anything."
    none = "" if verdict.shown == verdict.comparisons else " A rate with fewer than three pairs has none."
    return f"{limits}, paired by {block}, all rates at once: clear of the dashed line means a real difference.{none}"

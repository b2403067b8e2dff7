"""Labels at line ends, moved apart where lines end close together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from yolo_dropout.base.text import rate_text
from yolo_dropout.report.figures.style import INK, TEXT_PT

EARLY_END = 0.85
LINE_SHARE = 0.075


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places apart until neighbours are `gap` from each other, little and within [low, high].

    Places keep their order. Where they cannot all fit, they are spaced evenly over [low, high].
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    gap = min(gap, (high - low) / max(len(places) - 1, 1))
    groups: list[tuple[float, int]] = []
    for index in order:
        groups.append((min(max(places[index], low), high), 1))
        while len(groups) > 1 and _overlap(groups[-2], groups[-1], gap):
            groups[-2:] = [_merged(groups[-2], groups[-1], gap, low, high)]
    flat = [middle + gap * (i - (n - 1) / 2) for middle, n in groups for i in range(n)]
    result = [0.0] * len(places)
    for index, place in zip(order, flat, strict=True):
        result[index] = place
    return result


def _overlap(lower: tuple[float, int], upper: tuple[float, int], gap: float) -> bool:
    return upper[0] - lower[0] < gap * (lower[1] + upper[1]) / 2 - 1e-12


def _merged(
    lower: tuple[float, int], upper: tuple[float, int], gap: float, low: float, high: float
) -> tuple[float, int]:
    n = lower[1] + upper[1]
    half = gap * (n - 1) / 2
    middle = (lower[0] * lower[1] + upper[0] * upper[1]) / n
    return min(max(middle, low + half), high - half), n


def end_labels(ax: Axes, ends: Mapping[float, tuple[float, float]], palette: Mapping[float, str]) -> None:
    """Name every rate at its line's end, joined by a short leader in the line's colour.

    Args:
        ax: Axes whose limits are final.
        ends: Rate to (epoch, value) of the line's last point.
        palette: Colour by rate.
    """
    low, high = ax.get_ylim()
    last = max((epoch for epoch, _ in ends.values()), default=0.0)
    for rate, end in ends.items():
        if end[0] < EARLY_END * last:
            ax.annotate(
                rate_text(rate),
                end,
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                color=INK,
                fontsize=TEXT_PT,
            )
    ends = {rate: end for rate, end in ends.items() if end[0] >= EARLY_END * last}
    wanted = [(value - low) / (high - low) for _, value in ends.values()]
    places = spread(wanted, LINE_SHARE, 0.02, 0.98)
    for (rate, end), place in zip(ends.items(), places, strict=True):
        text = "0.0 (control)" if rate == 0 else rate_text(rate)
        weight = "bold" if rate == 0 else "normal"
        leader = {"arrowstyle": "-", "color": palette[rate], "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
        clipped = (end[0], min(max(end[1], low), high))
        ax.annotate(
            text,
            clipped,
            xytext=(1.035, place),
            textcoords="axes fraction",
            color=INK,
            fontsize=TEXT_PT,
            fontweight=weight,
            va="center",
            ha="left",
            arrowprops=leader | {"relpos": (0, 0.5)},
            annotation_clip=False,
        )

"""How every figure looks: colours, type sizes, axes, labels at line ends.

What is not set on the objects themselves is as matplotlib ships it, so that a figure looks the same whatever the global
settings are. Colours: the control is dark and dashed; other treatments follow a perceptual, colour-blind safe map
in their order, cut so that even the last stands out on white.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from yolo_dropout.base.text import Label, is_control, label_text, rate_of

INK = "#1c2530"
INK_ON_DARK = "#edf1f5"
MUTED = "#5d6875"
GRID = "#e3e7eb"
PAPER = "#ffffff"
WIDTH_IN = 8.0
MOST_SIGNS = 34
TITLE_PT, TEXT_PT, SMALL_PT = 12.5, 10.5, 8.5
MAP, LIGHT_PART, DARK_PART = "plasma", (0.12, 0.76), (0.36, 0.93)
# Differences below this share of the value are not worth an axis of their own.
SAME = 1e-3
# Decorates what draws: matplotlib's own defaults, since a matplotlibrc may ask for LaTeX where there is none.
as_shipped = mpl.rc_context({name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"})


def full_name(label: Label) -> str:
    """A treatment where a figure names it, a long name cut; a rate among named treatments is one of dropout."""
    among_names = isinstance(label, str) and rate_of(label) is not None and not is_control(label)
    name = f"dropout {label}" if among_names else textwrap.shorten(label_text(label), MOST_SIGNS, placeholder="…")
    return f"{name} (control)" if is_control(label) else name


def where(label: Label) -> str:
    """A treatment in a title: at rate 0.1, with "weight decay x10", without dropout, in the control."""
    if is_control(label):
        return "in the control" if isinstance(label, str) else "without dropout"
    return f'with "{label}"' if isinstance(label, str) else f"at rate {label_text(label)}"


def dashes(label: Label, scale: float = 1.0) -> Any:
    """The line style of a treatment: the control is dashed, by lengths that legends scale down."""
    return (0, (4 * scale, 1.6 * scale)) if is_control(label) else "-"


def colours(labels: Sequence[Label], *, dark: bool = False) -> dict[Label, str]:
    """Colour by treatment: ink for the control, which is the first, the sequential map in order for the others.

    Args:
        labels: Rates or names.
        dark: For a dark ground: light ink, and the map's lighter part.
    """
    control, *others = labels
    start, end = DARK_PART if dark else LIGHT_PART
    places = np.linspace(start, end, len(others)) if len(others) > 1 else [(start + end) / 2]
    tints = {label: to_hex(mpl.colormaps[MAP](place)) for label, place in zip(others, places, strict=False)}
    return {control: INK_ON_DARK if dark else INK} | tints


def new_figure(height_in: float = 4.6, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A white figure, 8 inches wide (800 px in a README), with its axes row by row."""
    figure = Figure(figsize=(WIDTH_IN, height_in), facecolor=PAPER)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        _style_axes(ax)
    return figure, list(axes)


def _style_axes(ax: Axes) -> None:
    """Two quiet spines, horizontal grid behind the data."""
    ax.set_facecolor(PAPER)
    ax.set_axisbelow(True)
    ax.grid(visible=True, axis="y", color=GRID, linewidth=0.8, linestyle="-")
    ax.grid(visible=False, axis="x")
    ax.tick_params(which="both", colors=MUTED, labelsize=TEXT_PT - 1, length=0, pad=5, direction="out")
    for side, spine in ax.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_edgecolor(MUTED)
        spine.set_linewidth(0.8)
    ax.margins(x=0.02)


def epoch_axis(ax: Axes) -> None:
    """Whole epochs on the horizontal axis, also where there is only one."""
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, steps=[1, 2, 5, 10], min_n_ticks=1))
    low, high = ax.get_xlim()
    if high - low < 1:
        middle = (low + high) / 2
        ax.set_xlim(middle - 0.5, middle + 0.5)
    ax.set_xlabel("epoch", color=MUTED, fontsize=TEXT_PT)


def finish(
    figure: Figure, title: str, subtitle: str, small_print: Sequence[str | None], *, right_in: float = 0.3
) -> Figure:
    """Set title, subtitle and small print, wrapped to the figure's width, and make room for them.

    Args:
        figure: As `new_figure` made it.
        title: The finding, in words.
        subtitle: What the vertical axis shows, with its unit or direction.
        small_print: How to read it, and caveats; None is skipped.
        right_in: Room right of the axes, in inches, for labels at line ends.
    """
    height = figure.get_figheight()
    lines = len(textwrap.wrap(title, 78)) or 1
    heading = textwrap.wrap(title, min(78, len(title) // lines + 12)) or [""]  # no word alone on the last line
    notes = [line for text in small_print if text for line in textwrap.wrap(text, 124)]
    head_in = 0.18 + 0.23 * len(heading)
    left = 0.16 / WIDTH_IN
    # Names come from files: a dollar sign in one is no formula.
    plain: dict[str, Any] = {"linespacing": 1.3, "parse_math": False}
    bold: dict[str, Any] = {"color": INK, "fontsize": TITLE_PT, "fontweight": "bold", "va": "top"}
    figure.text(left, 1 - 0.14 / height, "\n".join(heading), **plain, **bold)
    figure.text(left, 1 - head_in / height, subtitle, color=MUTED, fontsize=TEXT_PT, va="top", **plain)
    figure.text(left, 0.12 / height, "\n".join(notes), color=MUTED, fontsize=SMALL_PT, va="bottom", **plain)
    tick_lines = max(label.get_text().count("\n") for ax in figure.axes for label in [*ax.get_xticklabels(), ax.title])
    bottom_in = 0.66 + 0.165 * len(notes) + 0.17 * tick_lines
    top, bottom = 1 - (head_in + 0.38) / height, bottom_in / height
    figure.subplots_adjust(left=0.62 / WIDTH_IN, right=1 - right_in / WIDTH_IN, top=top, bottom=bottom)
    return figure

"""Figures of single images: where two treatments differ, and one image under every corruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from yolo_dropout.base.text import counted, named, printable
from yolo_dropout.report.figures import style
from yolo_dropout.results.examples import pixels

# Told apart by the line too, for those who do not see the colour.
LINES: dict[str, dict[str, Any]] = {
    "right": {"edgecolor": "#1a9850", "linestyle": "-"},
    "wrong": {"edgecolor": "#e8590c", "linestyle": (0, (4, 1.6))},
    "missed": {"edgecolor": "#2b7bba", "linestyle": (0, (1, 1.2))},
}
BOXES = (
    "Above: F1 of boxes from a score of 0.25 and an IoU of 0.5. Green: right. Dashed orange: wrong. "
    "Dotted blue: missed."
)
ANSWERS = (
    "Above: what the right class gets, which is the image's folder. In the image: the answer, green where it is right."
)
NO_EVIDENCE = "Picked because they differ: to look at, and no evidence for either."
COLUMNS, ROW_IN, MOST_SIGNS, SMALL_PX = 4, 2.3, 30, 200
_SMALL: Any = {"fontsize": style.SMALL_PT, "color": style.INK, "parse_math": False, "pad": 4, "loc": "left"}


def differing_images(found: Mapping[str, Any]) -> Figure:
    """The images on which two treatments differ most, two to a row: the control's boxes, and the other treatment's."""
    heads = [f"{printable(str(i['name']))[-MOST_SIGNS:]}, seed {found['seeds'][i['of']]}" for i in found["images"]]
    seeds = counted(len(found["seeds"]), "seed")
    subtitle = f"Of {found['looked_at']} validation images those with the largest mean difference over {seeds}"
    figure = _pairs(found, "images", heads)
    return _finished(figure, f"Where the control and {_name(found)} differ", subtitle, [_legend(found), NO_EVIDENCE])


def under_corruptions(found: Mapping[str, Any]) -> Figure:
    """One image under every corruption: the control's boxes, and the other treatment's."""
    told = [(str(item["name"]).replace("_", " "), item["severity"]) for item in found["shift"]]
    figure = _pairs(found, "shift", [f"{name}, severity {level}" if level else "clean" for name, level in told])
    subtitle = f"The validation image that both find best when it is clean, seed {found['seeds'][0]}"
    return _finished(figure, "One image under shift", subtitle, [_legend(found)])


def _pairs(found: Mapping[str, Any], part: str, heads: Sequence[str]) -> Figure:
    rows = -(-2 * len(heads) // COLUMNS)
    figure, axes = style.new_figure(1.5 + ROW_IN * rows, rows, COLUMNS)
    for ax in axes:
        ax.set_axis_off()
    for place, (item, head) in enumerate(zip(found[part], heads, strict=True)):
        for ax, side in zip(axes[2 * place : 2 * place + 2], ("control", "other"), strict=True):
            name, shown = ("control", head) if side == "control" else (_name(found), "")
            mean = f", mean {item[side]['mean']:.2f}" if "mean" in item[side] else ""
            ax.set_title(f"{shown}\n{name[: MOST_SIGNS // 2]}: {item[side]['score']:.2f}{mean}", **_SMALL)
            _draw(ax, item, side)
    return figure


def _finished(figure: Figure, title: str, subtitle: str, notes: list[str]) -> Figure:
    style.finish(figure, title, subtitle, notes)
    height = figure.get_figheight()
    top, bottom = 1 - 1.15 / height, (0.45 + 0.17 * len(notes)) / height
    figure.subplots_adjust(left=0.02, right=0.98, top=top, bottom=bottom, hspace=0.3, wspace=0.05)
    return figure


def _name(found: Mapping[str, Any]) -> str:
    name = named(found["treatment"])
    return name if len(name) <= MOST_SIGNS else f"{name[: MOST_SIGNS - 1]}…"


def _boxed(found: Mapping[str, Any]) -> bool:
    items = (*found["images"], *found["shift"])
    return any(mark["box"] for item in items for side in ("control", "other") for mark in item[side]["marks"])


def _legend(found: Mapping[str, Any]) -> str:
    return BOXES if _boxed(found) else ANSWERS


def _draw(ax: Axes, item: Mapping[str, Any], side: str) -> None:
    """Draw an image and its marks."""
    shown = pixels(item["picture"])
    height, width = shown.shape[:2]
    ax.imshow(shown, interpolation="nearest" if width < SMALL_PX else "antialiased")
    for mark in item[side]["marks"]:
        line = LINES[mark["kind"]]
        look: Any = {"facecolor": line["edgecolor"], "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
        at: Any = {"ha": "left", "parse_math": False, "clip_on": True, "bbox": look, "color": "white", "fontsize": 6}
        told = printable(mark["text"])[:MOST_SIGNS]
        if not mark["box"]:
            ax.text(0.03, 0.03, told, transform=ax.transAxes, va="bottom", **at)
            continue
        left, top, right, bottom = np.array(mark["box"]) * (width, height, width, height)
        ax.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, linewidth=1.4, **line))
        # What is missed is named below, since a wrong box often lies over it.
        y, va = (bottom, "top") if mark["kind"] == "missed" else (top, "bottom")
        ax.text(left, y, told, va=va, **at)

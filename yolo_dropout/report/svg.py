"""A figure as SVG that lives inside a page: its colours follow the page's theme, its ids stay its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from matplotlib.figure import Figure

from yolo_dropout.figures import style, to_svg

THEMED = {style.INK: "ink", style.MUTED: "muted", style.GRID: "grid", style.PAPER: "paper"}


def inline_svg(figure: Figure, stem: str, rate_colours: Mapping[float, str], drawn: str | None = None) -> str:
    """SVG element for a page that defines the variables --ink, --muted, --grid, --paper and --rate-0, --rate-1, ...

    Args:
        figure: A figure of this package.
        stem: Unique on the page; becomes part of every id.
        rate_colours: The colours that the figure uses by rate, ascending.
        drawn: What `to_svg(figure, stem)` has returned before, since that takes a while.
    """
    names = {colour: f"rate-{place}" for place, colour in enumerate(rate_colours.values()) if place} | THEMED
    text = drawn or to_svg(figure, stem)
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"#[0-9a-f]{6}\b", lambda hit: _variable(hit[0], names), text)
    text = re.sub(r'\bid="', f'id="{stem}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{stem}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    title = escape(figure.texts[0].get_text().replace("\n", " "), quote=True)
    box = re.search(r'viewBox="[^"]*"', text)
    opening = f'<svg {box[0] if box else ""} role="img" aria-label="{title}" class="static">'
    return opening + text[text.index(">") + 1 :]


def _variable(colour: str, names: Mapping[str, str]) -> str:
    return f"var(--{names[colour]})" if colour in names else colour

"""A figure as SVG that lives inside a page: its colours follow the page's theme, its ids stay its own."""

from __future__ import annotations

import re
from collections.abc import Mapping

from yolo_dropout.report.figures import style

THEMED = {style.INK: "ink", style.MUTED: "muted", style.GRID: "grid", style.PAPER: "paper"}


def inline_svg(svg: str, stem: str, rate_colours: Mapping[float, str]) -> str:
    """SVG element for a page that defines the variables --ink, --muted, --grid, --paper and --rate-0, --rate-1, ...

    Args:
        svg: What `to_svg` returns.
        stem: Unique on the page; becomes part of every id.
        rate_colours: The colours that the figure uses by rate, ascending.
    """
    names = {colour: f"rate-{place}" for place, colour in enumerate(rate_colours.values()) if place} | THEMED
    text = svg[svg.index("<svg") :]
    title, text = _without(r"<title>(.*?)</title>", text)  # on a page it would follow the pointer
    _, text = _without(r"<metadata>(.*?)</metadata>", text)
    text = re.sub(r"#[0-9a-f]{6}\b", lambda hit: _variable(hit[0], names), text)
    text = re.sub(r'\bid="', f'id="{stem}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{stem}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    box = re.search(r'viewBox="[^"]*"', text)
    label = title.replace('"', "&quot;")
    opening = f'<svg {box[0] if box else ""} role="img" aria-label="{label}" class="static">'
    return opening + text[text.index(">") + 1 :]


def _without(element: str, text: str) -> tuple[str, str]:
    """What the first element of a kind holds, and the text without it."""
    found = re.search(element, text, flags=re.DOTALL)
    return (found[1], text[: found.start()] + text[found.end() :]) if found else ("", text)


def _variable(colour: str, names: Mapping[str, str]) -> str:
    return f"var(--{names[colour]})" if colour in names else colour

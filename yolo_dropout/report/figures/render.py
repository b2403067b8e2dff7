"""Figures as bytes, the same every time, and as SVG that lives inside a page."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO

import matplotlib as mpl
from markupsafe import escape
from matplotlib.figure import Figure
from PIL import Image

from yolo_dropout.base.text import Label
from yolo_dropout.report.figures import style

CARD = (1200, 630)
THEMED = {style.INK: "ink", style.MUTED: "muted", style.GRID: "grid", style.PAPER: "paper"}


@style.as_shipped
def to_svg(figure: Figure, salt: str) -> str:
    """The figure as SVG text with its title; `salt`, unique among the figures of a page, enters the ids inside."""
    title = figure.texts[0].get_text().replace("\n", " ")
    buffer = BytesIO()
    with mpl.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", dpi=150, metadata={"Date": None, "Creator": None, "Title": title})
    return buffer.getvalue().decode()


@style.as_shipped
def to_png(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as PNG bytes, 1200 px wide at the default resolution."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def to_card(figure: Figure) -> bytes:
    """The figure as large as it fits on 1200 x 630 px, PNG bytes."""
    dpi = min(px / inches for px, inches in zip(CARD, figure.get_size_inches(), strict=True))
    drawn = Image.open(BytesIO(to_png(figure, int(dpi))))
    ground, buffer = Image.new("RGB", CARD, style.PAPER), BytesIO()
    ground.paste(drawn, ((CARD[0] - drawn.width) // 2, (CARD[1] - drawn.height) // 2))
    ground.save(buffer, "png")
    return buffer.getvalue()


@style.as_shipped
def to_inline_jpeg(figure: Figure) -> str:
    """A figure of photographs as an element for a page: as SVG it would be ten times as large."""
    buffer = BytesIO()
    figure.savefig(buffer, format="jpeg", dpi=120, pil_kwargs={"quality": 85})
    title = escape(figure.texts[0].get_text().replace("\n", " "))
    return f'<img class="still" alt="{title}" src="data:image/jpeg;base64,{b64encode(buffer.getvalue()).decode()}">'


def inline_svg(svg: str, stem: str, palette: Mapping[Label, str]) -> str:
    """SVG element for a page that defines the variables --ink, --muted, --grid, --paper and --rate-0, --rate-1, ...

    Its colours follow the page's theme; `stem`, unique on the page, becomes part of every id: they stay its own.
    """
    names = {colour: f"rate-{place}" for place, colour in enumerate(palette.values()) if place} | THEMED
    title = re.search(r"<title>(.*?)</title>", svg, re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', svg)
    text = svg[svg.index(">", svg.index("<svg")) + 1 :]
    # On a page a title would follow the pointer.
    text = re.sub(r"<(title|metadata)>.*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r"#[0-9a-f]{6}\b", lambda hit: f"var(--{names[hit[0]]})" if hit[0] in names else hit[0], text)
    text = re.sub(r'\bid="', f'id="{stem}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{stem}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    label = title[1].replace('"', "&quot;") if title else ""
    return f'<svg {box[0] if box else ""} role="img" aria-label="{label}" class="static">{text}'

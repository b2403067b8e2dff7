"""Figures as bytes, the same every time."""

from __future__ import annotations

from io import BytesIO

import matplotlib as mpl
from matplotlib.figure import Figure


def to_svg(figure: Figure, salt: str) -> str:
    """The figure as SVG text with its title, the same bytes every time.

    Args:
        figure: Any figure of this package.
        salt: A name that is unique among the figures of one page, since it enters the ids inside.
    """
    title = figure.texts[0].get_text().replace("\n", " ")
    buffer = BytesIO()
    with mpl.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", dpi=150, metadata={"Date": None, "Creator": None, "Title": title})
    return buffer.getvalue().decode()


def to_png(figure: Figure, dpi: int = 150) -> bytes:
    """The figure as PNG bytes, 1200 px wide at the default resolution."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()

"""Draw glyphs on varied backgrounds, in integer arithmetic: equal seeds give equal pixels everywhere."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SMALLEST_GLYPH_PX = 18
DARK, LIGHT = (0, 110), (150, 256)
INK_IN_BOX = 0.25

Ints = NDArray[np.int64]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Glyph:
    """A digit or letter: how much ink lies in each cell of a small square grid.

    Attributes:
        label: Class index.
        ink: Ink per cell, shape (n, n), 0 to `full`.
        full: Value of a cell that is all ink.
        source: Where it is from, e.g. the index of a digit in scikit-learn's set.
    """

    label: int
    ink: Ints
    full: int
    source: int


@dataclass(frozen=True)
class Placed:
    """A glyph on a canvas, with the box around its ink in pixels: left, top, width, height."""

    glyph: Glyph
    box_px: tuple[int, int, int, int]


@dataclass(frozen=True)
class Layout:
    """A square canvas, divided into cells that hold at most one glyph each.

    Attributes:
        side_px: Height and width.
        cells: Cells per row and per column.
    """

    side_px: int
    cells: int

    @property
    def cell_px(self) -> int:
        """Height and width of a cell."""
        return self.side_px // self.cells


@dataclass(frozen=True)
class Canvas:
    """An RGB image, shape (side, side, 3), and the glyphs on it."""

    pixels: Pixels
    placed: tuple[Placed, ...]


def enlarge(grid: Ints, side: int) -> Ints:
    """Enlarge a square grid by linear interpolation.

    Args:
        grid: Shape (n, n) or (n, n, channels), values from 0 upwards.
        side: Height and width of the result, at least n.

    Returns:
        Shape (side, side) or (side, side, channels), rounded down.
    """
    n = len(grid)
    position = np.clip((2 * np.arange(side) + 1) * n - side, 0, 2 * side * (n - 1))
    left, part = np.divmod(position, 2 * side)
    weights = np.zeros((side, n), np.int64)
    weights[np.arange(side), left] += 2 * side - part
    weights[np.arange(side), np.minimum(left + 1, n - 1)] += part
    enlarged: Ints = np.einsum("yi,xj,ij...->yx...", weights, weights, grid) // (2 * side) ** 2
    return enlarged


def background(side: int, tones: tuple[int, int], rng: np.random.Generator) -> Ints:
    """Clouds, gradients, blocks or a flat colour, with or without grain, shape (side, side, 3)."""
    n = int(rng.choice([1, 2, 3, 5, 8]))
    colours = rng.integers(*tones, (n, n, 3))
    if rng.random() < 0.5:
        field = enlarge(colours, side)
    else:
        cells = np.arange(side) * n // side
        field = colours[cells][:, cells]
    grain = int(rng.choice([0, 0, 4, 8]))
    return field + rng.integers(-grain, grain + 1, (side, side, 1))


def compose(glyphs: Sequence[Glyph], layout: Layout, rng: np.random.Generator) -> Canvas:
    """Place each glyph at a random place and size, in a colour that stands out, none over another.

    Args:
        glyphs: At most as many as the layout has cells.
        layout: The canvas's size, and its division into cells.
        rng: Drawn from for everything that varies.

    Returns:
        The canvas; its boxes hug the ink.
    """
    inks, tones = (LIGHT, DARK) if rng.random() < 0.5 else (DARK, LIGHT)
    field = background(layout.side_px, tones, rng)
    cells = rng.permutation(layout.cells**2)[: len(glyphs)]
    corners = [(row * layout.cell_px, column * layout.cell_px) for row, column in np.ndindex(2 * (layout.cells,))]
    placed = tuple(
        _paint(field, glyph, _spot(corners[cell], layout.cell_px, rng), rng.integers(*inks, 3))
        for glyph, cell in zip(glyphs, cells, strict=True)
    )
    return Canvas(np.clip(field, 0, 255).astype(np.uint8), placed)


def _spot(corner: tuple[int, int], cell_px: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Top, left and side of a random square within a cell."""
    side = int(rng.integers(SMALLEST_GLYPH_PX, cell_px - 2))
    top, left = (edge + int(rng.integers(cell_px - side + 1)) for edge in corner)
    return top, left, side


def _paint(field: Ints, glyph: Glyph, spot: tuple[int, int, int], colour: Ints) -> Placed:
    top, left, side = spot
    ink = enlarge(glyph.ink, side)
    patch = field[top : top + side, left : left + side]
    patch += (colour - patch) * ink[..., None] // glyph.full
    rows, columns = np.nonzero(ink >= INK_IN_BOX * glyph.full)
    x, y = int(columns.min()), int(rows.min())
    return Placed(glyph, (left + x, top + y, int(columns.max()) + 1 - x, int(rows.max()) + 1 - y))


def label_lines(canvas: Canvas) -> str:
    """A label file in YOLO's format: class, then centre x and y, width and height as shares of the side."""
    return "".join(_label_line(placed, len(canvas.pixels)) for placed in canvas.placed)


def _label_line(placed: Placed, side_px: int) -> str:
    x, y, w, h = placed.box_px
    shares = (value / side_px for value in (x + w / 2, y + h / 2, w, h))
    return " ".join([str(placed.glyph.label), *(f"{share:.6f}" for share in shares)]) + "\n"


def encode_png(pixels: Pixels) -> bytes:
    """Encode 8-bit pixels, shape (height, width) or (height, width, 3), as PNG.

    Written out here because image libraries change their encoders: with one zlib these bytes never change.
    """
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.hstack([np.full((height, 1), 2, np.uint8), rows - above])
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

"""Build the images and labels in `datasets/` from scikit-learn's handwritten digits.

Needs scikit-learn (`pip install -e ".[test]"`). The starter checkpoint is made by `build_starter.py`.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from canvases import Glyph, Layout, compose, encode_png, label_lines
from numpy.typing import NDArray
from PIL import Image

DATASETS = Path(__file__).resolve().parents[1] / "datasets"
SEED = 0
# scikit-learn keeps the order of the source, where a writer's digits (about 140) lie together. The gap between
# the ranges is as long, so that no writer is in both.
WRITERS = {"train": range(830), "val": range(970, 1797)}
CANVASES = {"train": 12, "val": 16}
DIGITS_PER_CANVAS = {"train": 4, "val": 6}
DETECT_LAYOUT = Layout(side_px=128, cells=3)
DIGITS_PER_CLASS = {"train": 12, "val": 20}
CLASSIFY_LAYOUT = Layout(side_px=32, cells=1)
MADE_BY_SCRIPT = {".png", ".txt", ".csv"}

Files = Iterator[tuple[str, bytes]]


def load_glyphs() -> list[Glyph]:
    """The 1,797 handwritten digits (8 x 8 cells, ink 0 to 16) in scikit-learn's order."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pairs = zip(digits.images, digits.target, strict=True)
    return [Glyph(int(label), ink.astype(np.int64), 16, index) for index, (ink, label) in enumerate(pairs)]


def detection_files(glyphs: list[Glyph], split: str, rng: np.random.Generator) -> Files:
    """Images, labels and the list of sources of one split of the detection set, no digit used twice."""
    count = DIGITS_PER_CANVAS[split]
    chosen = rng.permutation(WRITERS[split])[: CANVASES[split] * count].reshape(-1, count)
    sources = ["image,digit,label\n"]
    for number, indices in enumerate(chosen):
        name = f"{split}-{number:02}"
        canvas = compose([glyphs[index] for index in indices], DETECT_LAYOUT, rng)
        yield f"digits-detect/images/{split}/{name}.png", encode_png(canvas.pixels)
        yield f"digits-detect/labels/{split}/{name}.txt", label_lines(canvas).encode()
        sources += [f"{name},{placed.glyph.source},{placed.glyph.label}\n" for placed in canvas.placed]
    yield f"digits-detect/sources-{split}.csv", "".join(sources).encode()


def classification_files(glyphs: list[Glyph], split: str, rng: np.random.Generator) -> Files:
    """One split of the classification set: a folder per class, files named after the digit's index."""
    pool = [glyphs[index] for index in rng.permutation(WRITERS[split])]
    for label in range(10):
        for glyph in [glyph for glyph in pool if glyph.label == label][: DIGITS_PER_CLASS[split]]:
            canvas = compose([glyph], CLASSIFY_LAYOUT, rng)
            yield (
                f"digits-classify/{split}/{label}/{glyph.source:04}.png",
                encode_png(canvas.pixels),
            )


def build() -> dict[str, bytes]:
    """All files that this script makes, by path below `datasets/`."""
    glyphs = load_glyphs()
    files: dict[str, bytes] = {}
    for number, split in enumerate(WRITERS):
        files.update(detection_files(glyphs, split, np.random.default_rng([SEED, number, 0])))
        files.update(classification_files(glyphs, split, np.random.default_rng([SEED, number, 1])))
    return files


def differences(files: dict[str, bytes], root: Path) -> list[str]:
    """One line per file that is missing, left over, or holds other pixels or text than a fresh build."""
    present = {
        path.relative_to(root).as_posix() for path in root.glob("digits-*/**/*") if path.suffix in MADE_BY_SCRIPT
    }
    lines = [f"{name}: missing" for name in sorted(files.keys() - present)]
    lines += [f"{name}: not from this script" for name in sorted(present - files.keys())]
    both = sorted(files.keys() & present)
    return lines + [f"{name}: differs" for name in both if not _equal(files[name], (root / name).read_bytes())]


def _equal(fresh: bytes, stored: bytes) -> bool:
    """Equal bytes, or, since zlib versions may compress differently, equal pixels."""
    if fresh == stored or not fresh.startswith(b"\x89PNG"):
        return fresh == stored
    return np.array_equal(_pixels(fresh), _pixels(stored))


def _pixels(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--check",
        action="store_true",
        help="compare a fresh build with the tree, write nothing; exit code 1 if they differ",
    )
    parser.add_argument(
        "--root", type=Path, default=DATASETS, help="the folder to write or compare (default: datasets/)"
    )
    arguments = parser.parse_args(words)
    files = build()
    if arguments.check:
        lines = differences(files, arguments.root)
        print("\n".join(lines) if lines else f"{len(files)} files equal a fresh build")
        return 1 if lines else 0
    for name, content in files.items():
        path = arguments.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    print(f"wrote {len(files)} files to {arguments.root}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

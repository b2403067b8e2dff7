"""Build the images and labels in `datasets/`: scikit-learn's handwritten digits, and clothes of Fashion-MNIST.

Needs scikit-learn (`pip install -e ".[test]"`), and for the clothes the files of Fashion-MNIST, as Debian's package
`dataset-fashion-mnist` has them; without these the clothes are left as they are. `build_starter.py` makes the starters.
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
FASHION = Path("/usr/share/datasets/fashion-mnist")
CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
CLOTHES_DRAWN_FROM = 2000  # of the first of each split
CANVASES = {"train": 12, "val": 16}
GLYPHS_PER_CANVAS = {"train": 4, "val": 6}
DETECT_LAYOUT = Layout(side_px=128, cells=3)
GLYPHS_PER_CLASS = {"train": 12, "val": 20}
CLASSIFY_LAYOUT = Layout(side_px=32, cells=1)
MADE_BY_SCRIPT = {".png", ".txt", ".csv"}

Files = Iterator[tuple[str, bytes]]


@dataclass(frozen=True)
class Source:
    """What the glyphs of two data sets are drawn from.

    Attributes:
        name: The first part of the data sets' names.
        unit: What a glyph is called in the list of sources.
        classes: Their names, in order of the labels.
        glyphs: Per split, those that may be drawn.
    """

    name: str
    unit: str
    classes: Sequence[str]
    glyphs: dict[str, list[Glyph]]


def digits() -> Source:
    """The 1,797 handwritten digits (8 x 8 cells, ink 0 to 16) in scikit-learn's order, split by writer."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pairs = zip(found.images, found.target, strict=True)
    glyphs = [Glyph(int(label), ink.astype(np.int64), 16, index) for index, (ink, label) in enumerate(pairs)]
    return Source("digits", "digit", "0123456789", {split: [glyphs[i] for i in at] for split, at in WRITERS.items()})


def fashion(folder: Path) -> Source:
    """Clothes of Fashion-MNIST (28 x 28 pixels, here 14 x 14 cells), from the source's own training and test files."""
    glyphs = {}
    for split, file in {"train": "train", "val": "t10k"}.items():
        images, labels = (
            np.frombuffer(gzip.decompress((folder / f"{file}-{what}-ubyte.gz").read_bytes()), np.uint8, offset=skip)
            for what, skip in (("images-idx3", 16), ("labels-idx1", 8))
        )
        cells = images.reshape(-1, 14, 2, 14, 2)[:CLOTHES_DRAWN_FROM].astype(np.int64).sum((2, 4))
        pairs = zip(cells, labels[:CLOTHES_DRAWN_FROM], strict=True)
        glyphs[split] = [Glyph(int(label), ink, int(ink.max()), index) for index, (ink, label) in enumerate(pairs)]
    return Source("fashion", "item", CLOTHES, glyphs)


def detection_files(source: Source, split: str, rng: np.random.Generator) -> Files:
    """Images, labels and the list of sources of one split of the detection set, no glyph used twice."""
    count, pool = GLYPHS_PER_CANVAS[split], source.glyphs[split]
    chosen = rng.permutation(len(pool))[: CANVASES[split] * count].reshape(-1, count)
    folder, sources = f"{source.name}-detect", [f"image,{source.unit},label\n"]
    for number, indices in enumerate(chosen):
        name = f"{split}-{number:02}"
        canvas = compose([pool[index] for index in indices], DETECT_LAYOUT, rng)
        yield f"{folder}/images/{split}/{name}.png", encode_png(canvas.pixels)
        yield f"{folder}/labels/{split}/{name}.txt", label_lines(canvas).encode()
        sources += [f"{name},{placed.glyph.source},{placed.glyph.label}\n" for placed in canvas.placed]
    yield f"{folder}/sources-{split}.csv", "".join(sources).encode()


def classification_files(source: Source, split: str, rng: np.random.Generator) -> Files:
    """One split of the classification set: a folder per class, files named after the glyph's index in the source."""
    pool = [source.glyphs[split][index] for index in rng.permutation(len(source.glyphs[split]))]
    for label, name in enumerate(source.classes):
        for glyph in [glyph for glyph in pool if glyph.label == label][: GLYPHS_PER_CLASS[split]]:
            canvas = compose([glyph], CLASSIFY_LAYOUT, rng)
            yield f"{source.name}-classify/{split}/{name}/{glyph.source:04}.png", encode_png(canvas.pixels)


def build(source: Source) -> dict[str, bytes]:
    """All files that this script makes of a source, by path below `datasets/`."""
    files: dict[str, bytes] = {}
    for number, split in enumerate(source.glyphs):
        files.update(detection_files(source, split, np.random.default_rng([SEED, number, 0])))
        files.update(classification_files(source, split, np.random.default_rng([SEED, number, 1])))
    return files


def differences(files: dict[str, bytes], root: Path) -> list[str]:
    """One line per file that is missing, left over, or holds other pixels or text than a fresh build."""
    folders = {name.partition("/")[0] for name in files}
    found = [path for folder in folders for path in (root / folder).glob("**/*") if path.suffix in MADE_BY_SCRIPT]
    present = {path.relative_to(root).as_posix() for path in found}
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
    parser.add_argument("--fashion", type=Path, help=f"the folder of Fashion-MNIST's files (default: {FASHION})")
    arguments = parser.parse_args(words)
    files, folder = build(digits()), arguments.fashion or FASHION
    if folder.is_dir():
        files |= build(fashion(folder))
    elif arguments.fashion:
        parser.error(f"--fashion: must be a folder, got {folder}")
    else:
        print(f"clothes: neither made nor compared, since {folder} is not there")
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

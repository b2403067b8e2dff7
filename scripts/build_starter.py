"""Train `datasets/starter.pt`: yolo26n on generated canvases of letters, to fine-tune on digits.

From scratch a detector learns nothing from two dozen images. The letters come from fonts that matplotlib
ships; there is no digit among them. About twelve minutes on one core.
"""

from __future__ import annotations

import argparse
import string
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from canvases import Glyph, Pixels, compose, encode_png, label_lines

STARTER = Path(__file__).resolve().parents[1] / "datasets" / "starter.pt"
LETTERS = string.ascii_uppercase
CANVASES = {"train": 2400, "val": 200}
GLYPHS_PER_CANVAS = (3, 7)
FONT_PX = 64
TILT_DEGREES = 15.0
GRID_CELLS = (8, 13)
FONTS = ("DejaVuSans*.ttf", "DejaVuSerif*.ttf", "STIXGeneral*.ttf", "cmr10.ttf", "cmss10.ttf", "cmtt10.ttf")
UNFIT_FONTS = ("DejaVuSansDisplay", "DejaVuSerifDisplay")
TRAIN = {
    "epochs": 14,
    "imgsz": 128,
    "batch": 16,
    "nbs": 16,
    "optimizer": "AdamW",
    "lr0": 0.002,
    "warmup_epochs": 1,
    "close_mosaic": 4,
    "fliplr": 0.0,
    "seed": 0,
    "plots": False,
    "workers": 0,
}
# What a checkpoint says of the machine and the day it was made on.
PRIVATE_ARGS = ("data", "project", "name", "save_dir", "model", "device", "resume")
STALE_KEYS = ("optimizer", "scaler", "ema", "updates", "git", "train_results", "best_fitness", "date")


def load_fonts() -> list[Any]:
    """The text fonts that matplotlib ships, as Pillow fonts."""
    import matplotlib
    from PIL import ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    paths = sorted(path for pattern in FONTS for path in folder.glob(pattern) if path.stem not in UNFIT_FONTS)
    return [ImageFont.truetype(str(path), FONT_PX) for path in paths]


def draw_letter(fonts: list[Any], rng: np.random.Generator) -> Glyph:
    """A random capital in a random font and tilt, shrunk to a grid as coarse as the digits'."""
    from PIL import Image, ImageDraw

    label, font = int(rng.integers(len(LETTERS))), fonts[int(rng.integers(len(fonts)))]
    page = Image.new("L", (3 * FONT_PX, 3 * FONT_PX))
    stroke = int(rng.integers(4))
    ImageDraw.Draw(page).text((FONT_PX, FONT_PX), LETTERS[label], fill=255, font=font, stroke_width=stroke)
    page = page.rotate(float(rng.uniform(-TILT_DEGREES, TILT_DEGREES)), Image.Resampling.BILINEAR)
    cells = int(rng.integers(*GRID_CELLS))
    small = _squared(page.crop(page.getbbox())).resize((cells, cells), Image.Resampling.BOX)
    return Glyph(label, np.asarray(small, np.int64), 255, source=label)


def _squared(image: Any) -> Any:
    from PIL import Image

    side = max(image.size)
    square = Image.new("L", (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def letter_canvases(count: int, rng: np.random.Generator) -> Iterator[tuple[Pixels, str]]:
    """Pixels and label lines of `count` canvases."""
    fonts = load_fonts()
    for _ in range(count):
        glyphs = [draw_letter(fonts, rng) for _ in range(int(rng.integers(*GLYPHS_PER_CANVAS)))]
        canvas = compose(glyphs, rng)
        yield canvas.pixels, label_lines(canvas)


def write_letters(root: Path) -> Path:
    """Write the letters as a detection data set below `root`; returns its data YAML."""
    for number, (split, count) in enumerate(CANVASES.items()):
        images, labels = root / "images" / split, root / "labels" / split
        images.mkdir(parents=True)
        labels.mkdir(parents=True)
        for index, (pixels, lines) in enumerate(letter_canvases(count, np.random.default_rng([1, number]))):
            (images / f"{index:04}.png").write_bytes(encode_png(pixels))
            (labels / f"{index:04}.txt").write_text(lines)
    names = "".join(f"  {label}: {letter}\n" for label, letter in enumerate(LETTERS))
    data = root / "data.yaml"
    data.write_text(f"train: images/train\nval: images/val\nnames:\n{names}")
    return data


def strip(trained: Path, starter: Path) -> None:
    """Save the trained weights alone: half precision, no optimizer, no path and no date in them."""
    import torch
    from ultralytics import YOLO

    checkpoint = torch.load(trained, map_location="cpu", weights_only=False)
    model = (checkpoint.get("ema") or checkpoint["model"]).half()
    _forget(model.args)
    _forget(checkpoint["train_args"])
    kept = {key: value for key, value in checkpoint.items() if key not in STALE_KEYS}
    torch.save({**kept, "model": model, "epoch": -1}, starter)
    YOLO(starter).predict(np.zeros((128, 128, 3), np.uint8), imgsz=128, verbose=False)


def _forget(arguments: dict[str, Any]) -> None:
    for name in PRIVATE_ARGS:
        arguments.pop(name, None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--out", type=Path, default=STARTER, help="the checkpoint to write (default: datasets/starter.pt)"
    )
    arguments = parser.parse_args()
    from ultralytics import YOLO

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = YOLO("yolo26n.yaml")
        model.train(data=str(write_letters(root / "letters")), save_dir=str(root / "run"), **TRAIN)
        strip(root / "run" / "weights" / "last.pt", arguments.out)
    print(f"wrote {arguments.out}, {arguments.out.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Train the starter checkpoints in `datasets/`: YOLO26 nano on generated letters, to fine-tune on digits.

From scratch neither a detector nor a classifier learns much from a hundred digits. The letters come from fonts
that matplotlib ships; there is no digit among them. About fifteen minutes on one core, five for the classifier.
"""

from __future__ import annotations

import argparse
import string
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from build_datasets import CLASSIFY_LAYOUT, DATASETS, DETECT_LAYOUT
from canvases import Canvas, Glyph, Layout, compose, encode_png, label_lines

LETTERS = string.ascii_uppercase
FONT_PX = 64
TILT_DEGREES = 15.0
GRID_CELLS = (8, 13)
FONTS = ("DejaVuSans*.ttf", "DejaVuSerif*.ttf", "STIXGeneral*.ttf", "cmr10.ttf", "cmss10.ttf", "cmtt10.ttf")
UNFIT_FONTS = ("DejaVuSansDisplay", "DejaVuSerifDisplay")
COMMON_TRAIN = {
    "optimizer": "AdamW",
    "lr0": 0.002,
    "warmup_epochs": 1,
    "fliplr": 0.0,
    "seed": 0,
    "plots": False,
    "workers": 0,
}
# What a checkpoint says of the machine and the day it was made on.
PRIVATE_ARGS = ("data", "project", "name", "save_dir", "model", "device", "resume")
STALE_KEYS = ("optimizer", "scaler", "ema", "updates", "git", "train_results", "best_fitness", "date")


@dataclass(frozen=True)
class Recipe:
    """How one starter is made: what it learns on, for how long, and its file name."""

    file: str
    seed: int
    model: str
    layout: Layout
    glyphs: tuple[int, int]
    canvases: dict[str, int]
    train: dict[str, Any]


RECIPES = {
    "detect": Recipe(
        file="starter.pt",
        seed=1,
        model="yolo26n.yaml",
        layout=DETECT_LAYOUT,
        glyphs=(3, 7),
        canvases={"train": 2400, "val": 200},
        train={"epochs": 14, "imgsz": 128, "batch": 16, "nbs": 16, "close_mosaic": 4},
    ),
    "classify": Recipe(
        file="starter-cls.pt",
        seed=2,
        model="yolo26n-cls.yaml",
        layout=CLASSIFY_LAYOUT,
        glyphs=(1, 2),
        canvases={"train": 5200, "val": 520},
        train={
            "epochs": 8,
            "imgsz": 32,
            "batch": 32,
            "nbs": 32,
            "scale": 0.3,
            "auto_augment": None,
            "erasing": 0.0,
        },
    ),
}


def load_fonts() -> list[Any]:
    """The text fonts that matplotlib ships, as Pillow fonts."""
    import matplotlib
    from PIL import ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    paths = sorted(path for pattern in FONTS for path in folder.glob(pattern) if path.stem not in UNFIT_FONTS)
    return [ImageFont.truetype(str(path), FONT_PX) for path in paths]


def draw_letter(fonts: list[Any], rng: np.random.Generator) -> Glyph:
    """A random capital in a random font and tilt, shrunk to a grid about as coarse as the digits'."""
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


def write_letters(root: Path, task: str) -> Path:
    """Write a task's letters as a data set below `root`; returns what `YOLO.train` takes as `data`."""
    recipe, fonts = RECIPES[task], load_fonts()
    write = _write_labelled if task == "detect" else _write_sorted
    for number, (split, count) in enumerate(recipe.canvases.items()):
        rng = np.random.default_rng([recipe.seed, number])
        for index in range(count):
            glyphs = [draw_letter(fonts, rng) for _ in range(int(rng.integers(*recipe.glyphs)))]
            write(root, split, f"{index:04}", compose(glyphs, recipe.layout, rng))
    if task == "classify":
        return root
    data = root / "data.yaml"
    data.write_text(f"train: images/train\nval: images/val\nnames: [{', '.join(LETTERS)}]\n")
    return data


def _write_labelled(root: Path, split: str, name: str, canvas: Canvas) -> None:
    image, label = root / "images" / split / f"{name}.png", root / "labels" / split / f"{name}.txt"
    for path in (image, label):
        path.parent.mkdir(parents=True, exist_ok=True)
    image.write_bytes(encode_png(canvas.pixels))
    label.write_text(label_lines(canvas))


def _write_sorted(root: Path, split: str, name: str, canvas: Canvas) -> None:
    image = root / split / LETTERS[canvas.placed[0].glyph.label] / f"{name}.png"
    image.parent.mkdir(parents=True, exist_ok=True)
    image.write_bytes(encode_png(canvas.pixels))


def strip(trained: Path, starter: Path) -> None:
    """Save the trained weights alone: half precision, no optimizer, no path and no date in them."""
    import torch

    checkpoint = torch.load(trained, map_location="cpu", weights_only=False)
    model = (checkpoint.get("ema") or checkpoint["model"]).half()
    for arguments in (getattr(model, "args", {}), checkpoint["train_args"]):
        for name in PRIVATE_ARGS:
            arguments.pop(name, None)
    kept = {key: value for key, value in checkpoint.items() if key not in STALE_KEYS}
    torch.save({**kept, "model": model, "epoch": -1}, starter)


def place(task: str, folder: Path, family: str) -> Path:
    """Where the starter of a family of models (26, 11, v8) lies in a folder."""
    file = RECIPES[task].file
    return folder / (file if family == "26" else file.replace("starter", f"starter-{family}"))


def build(task: str, starter: Path, family: str) -> None:
    """Train a starter of a family of models, and write it."""
    from ultralytics import YOLO

    recipe = RECIPES[task]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = write_letters(root / "letters", task)
        model = YOLO(recipe.model.replace("26", family))
        model.train(data=str(data), save_dir=str(root / "run"), **COMMON_TRAIN, **recipe.train)
        strip(root / "run" / "weights" / "last.pt", root / "starter.pt")
        starter.write_bytes((root / "starter.pt").read_bytes())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("task", choices=RECIPES)
    parser.add_argument("--out", type=Path, default=DATASETS, help="the folder to write to (default: datasets/)")
    parser.add_argument("--family", default="26", help="of models: 26, 11 or v8 (default: 26)")
    arguments = parser.parse_args()
    starter = place(arguments.task, arguments.out, arguments.family)
    build(arguments.task, starter, arguments.family)
    print(f"wrote {starter}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

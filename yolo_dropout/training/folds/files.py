"""Each fold of a data set as a plain Ultralytics data set, made of links."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from yolo_dropout.base.files import atomic_folder, write_text
from yolo_dropout.errors import InputError
from yolo_dropout.training.folds.assignment import Example, assign_folds


def write_folds(examples: Sequence[Example], folds: int, out: Path, data: Mapping[str, Any] | None) -> tuple[Path, ...]:
    """Write each fold as a plain data set of links to the images and labels, unless that has been done before.

    Where the images have moved since, the links are made anew. Every fold has folders of its own, because Ultralytics
    keeps one label cache per folder, which folds that share images would rewrite for each other.

    Beside them, `splits.csv` tells which image validates in which fold. `data` are other fields of the data YAML, such
    as names; None in classification, which has none.

    Returns:
        What `data=` takes for each fold: `fK/data.yaml`, or the folder `fK` in classification.

    Raises:
        SpecError: There are fewer than two images per fold.
        InputError: Other splits are there already.
        StudyFolderError: They cannot be written.
    """
    fold_of = assign_folds(examples, folds)
    splits = _splits_csv(examples, fold_of)
    file = out / "splits.csv"
    there = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    if out.exists() and _rootless(there) != _rootless(splits):
        raise InputError(f"{out}: was made from other images, or for other folds; use another --out")
    if there != splits:  # not there yet, or the images have moved
        with atomic_folder(out) as folder:
            _write(folder, examples, fold_of, data)
            write_text(folder / file.name, splits)
    places = [out / f"f{fold}" for fold in range(folds)]
    return tuple(place if data is None else place / "data.yaml" for place in places)


def _splits_csv(examples: Sequence[Example], fold_of: npt.NDArray[np.int64]) -> str:
    text = io.StringIO()
    rows = [(fold, example.image) for example, fold in zip(examples, fold_of, strict=True)]
    csv.writer(text, lineterminator="\n").writerows([("fold", "image"), *rows])
    return text.getvalue()


def _rootless(splits: str) -> list[tuple[str, str]]:
    """Fold and image of each row, without the folder that all images are in; nothing of what is no such table."""
    try:
        rows = [(row[0], row[-1]) for row in csv.reader(io.StringIO(splits)) if row][1:]
        root = os.path.commonpath([image for _, image in rows])
        return [(fold, os.path.relpath(image, root)) for fold, image in rows]
    except (ValueError, csv.Error):
        return []


def _write(
    folder: Path, examples: Sequence[Example], fold_of: npt.NDArray[np.int64], data: Mapping[str, Any] | None
) -> None:
    fields = {"train": "images/train", "val": "images/val", **(data or {})}
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)
    for fold in range(int(fold_of.max()) + 1):
        place = folder / f"f{fold}"
        for source, name in _files(examples, fold_of == fold):
            _link(source, place / name)
        if data is not None:
            write_text(place / "data.yaml", text)
            continue
        # Ultralytics numbers classes by folder: a class that has no image here must not move the others.
        for split in ("train", "val"):
            for name in {example.folder for example in examples}:
                (place / split / name).mkdir(parents=True, exist_ok=True)


def _files(examples: Sequence[Example], validates: npt.NDArray[np.bool_]) -> Iterator[tuple[Path, str]]:
    """Every file of one fold and its place there. The number in front keeps train/a.jpg and val/a.jpg apart."""
    digits = len(str(len(examples) - 1))
    for number, (example, val) in enumerate(zip(examples, validates, strict=True)):
        split, stem = "val" if val else "train", f"{number:0{digits}d}-{example.image.stem}"
        images = f"{split}/{example.folder}" if example.folder else f"images/{split}"
        yield example.image, f"{images}/{stem}{example.image.suffix}"
        if example.label is not None:
            yield example.label, f"labels/{split}/{stem}.txt"


def _link(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    for link in (place.symlink_to, place.hardlink_to):  # Windows wants a right for the first, file systems differ
        with contextlib.suppress(OSError, NotImplementedError):
            return link(source.absolute())
    shutil.copyfile(source, place)

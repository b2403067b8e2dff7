"""A data set cut into folds: which image validates in which, and each fold as a plain Ultralytics data set."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from yolo_dropout.errors import InputError, SpecError, StudyFolderError
from yolo_dropout.files import write_text

# The shuffle depends on the images and the number of folds alone, so that more seeds meet the same splits.
_SHUFFLE_SEED = 0
_SPLITS = "splits.csv"
_LEAST_PER_FOLD = 2


@dataclass(frozen=True)
class Example:
    """One image of a data set.

    Attributes:
        image: The image file.
        classes: The classes that it shows; empty for a background image.
        label: Its label file; None where there is none, or in classification.
        folder: Name of its class folder in classification, else empty.
    """

    image: Path
    classes: frozenset[int]
    label: Path | None = None
    folder: str = ""


def assign_folds(examples: Sequence[Example], folds: int) -> npt.NDArray[np.int64]:
    """The fold in which each image validates; sizes differ by one at most.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011, On the stratification of multi-label data, ECML
    PKDD): the images of the rarest class first, each to the fold that lacks most of that class; of equal folds to
    the one that lacks most of the image's classes, then to the one with most room. Beyond that paper, a full fold
    takes no more, and images with many classes go first. Background images count as a class. With one class per
    image this is a stratified K-fold.

    Args:
        examples: All images.
        folds: How many folds.

    Returns:
        Shape (n_images,), values from 0 to folds - 1; the same for the same images in the same order.

    Raises:
        SpecError: There are fewer than two images per fold.
    """
    if len(examples) < _LEAST_PER_FOLD * folds:
        most = len(examples) // _LEAST_PER_FOLD
        raise SpecError(
            f"folds: each needs at least {_LEAST_PER_FOLD} images, got {folds} folds of {len(examples)} images; "
            + (f"use --folds {most} at most" if most > 1 else "leave --folds out")
        )
    rng, shows = np.random.default_rng(_SHUFFLE_SEED), _classes(examples)
    room = np.full(folds, len(examples) // folds) + (np.arange(folds) < len(examples) % folds)
    lacks = np.tile(shows.sum(0) / folds, (folds, 1))  # fold by class
    fold_of = np.full(len(examples), -1)
    while (left := fold_of < 0).any():
        counts = shows[left].sum(0)
        rarest = int(np.where(counts > 0, counts, len(examples) + 1).argmin())
        images = rng.permutation(np.flatnonzero(left & shows[:, rarest]))
        for image in images[np.argsort(-shows[images].sum(1), kind="stable")]:
            share = (lacks / shows.sum(0).clip(1))[:, shows[image]].sum(1)
            chosen = np.lexsort((rng.random(folds), room, share, lacks[:, rarest], room > 0))[-1]
            fold_of[image] = chosen
            room[chosen] -= 1
            lacks[chosen] -= shows[image]
    return fold_of


def _classes(examples: Sequence[Example]) -> npt.NDArray[np.bool_]:
    """Which image shows which class, shape (n_images, n_classes + 1); the last column is background."""
    names = sorted(frozenset[int]().union(*(example.classes for example in examples)))
    return np.array([[*(name in item.classes for name in names), not item.classes] for item in examples])


def write_folds(examples: Sequence[Example], folds: int, out: Path, data: Mapping[str, Any] | None) -> tuple[Path, ...]:
    """Write each fold as a plain data set of links to the images and labels, unless that has been done before.

    Every fold has folders of its own, because Ultralytics keeps one label cache per folder, which folds that share
    images would rewrite for each other.

    Args:
        examples: All images.
        folds: How many folds.
        out: Where to; `splits.csv` there tells which image validates in which fold.
        data: Other fields of the data YAML, such as names; None in classification, which has none.

    Returns:
        What `data=` takes for each fold: `fK/data.yaml`, or the folder `fK` in classification.

    Raises:
        SpecError: There are fewer than two images per fold.
        InputError: Other splits are there already.
        StudyFolderError: They cannot be written.
    """
    fold_of = assign_folds(examples, folds)
    splits = _splits_csv(examples, fold_of)
    if not out.exists():
        _write_aside(examples, fold_of, out, data, splits)
    elif not (out / _SPLITS).is_file() or _rootless(there := (out / _SPLITS).read_text("utf-8")) != _rootless(splits):
        raise InputError(f"{out}: was made from other images, or for other folds; use another --out")
    elif there != splits:  # the images have moved
        _write_aside(examples, fold_of, out, data, splits)
    places = [out / f"f{fold}" for fold in range(folds)]
    return tuple(place if data is None else place / "data.yaml" for place in places)


def _splits_csv(examples: Sequence[Example], fold_of: npt.NDArray[np.int64]) -> str:
    text = io.StringIO()
    rows = [(fold, example.image) for example, fold in zip(examples, fold_of, strict=True)]
    csv.writer(text, lineterminator="\n").writerows([("fold", "image"), *rows])
    return text.getvalue()


def _rootless(splits: str) -> list[tuple[str, str]]:
    """Fold and image of each row, without the folder that all images are in."""
    rows = [(row[0], row[-1]) for row in csv.reader(io.StringIO(splits)) if row][1:]
    root = os.path.commonpath([image for _, image in rows]) if rows else ""
    return [(fold, os.path.relpath(image, root)) for fold, image in rows]


def _write_aside(
    examples: Sequence[Example],
    fold_of: npt.NDArray[np.int64],
    out: Path,
    data: Mapping[str, Any] | None,
    splits: str,
) -> None:
    """Write beside `out`, then rename: whoever sees `out` sees all of it."""
    aside = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        for fold in range(int(fold_of.max()) + 1):
            for source, place in _files(examples, fold_of == fold):
                _link(source, aside / f"f{fold}" / place)
            if data is None:
                _class_folders(examples, aside / f"f{fold}")
            else:
                fields = {"train": "images/train", "val": "images/val", **data}
                text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)
                write_text(aside / f"f{fold}" / "data.yaml", text)
        write_text(aside / _SPLITS, splits)
        if out.exists():
            shutil.rmtree(out)
        aside.rename(out)
    except OSError as error:
        raise StudyFolderError(f"{out}: cannot be written ({error.strerror or error}); choose another --out") from error


def _files(examples: Sequence[Example], validates: npt.NDArray[np.bool_]) -> Iterator[tuple[Path, str]]:
    """Every file of one fold and its place there. The number in front keeps train/a.jpg and val/a.jpg apart."""
    digits = len(str(len(examples) - 1))
    for number, (example, val) in enumerate(zip(examples, validates, strict=True)):
        split, stem = "val" if val else "train", f"{number:0{digits}d}-{example.image.stem}"
        if example.folder:
            yield example.image, f"{split}/{example.folder}/{stem}{example.image.suffix}"
        else:
            yield example.image, f"images/{split}/{stem}{example.image.suffix}"
        if example.label is not None:
            yield example.label, f"labels/{split}/{stem}.txt"


def _class_folders(examples: Sequence[Example], fold: Path) -> None:
    # Ultralytics numbers classes by folder: a class that has no image here must not move the others.
    for split in ("train", "val"):
        for name in {example.folder for example in examples}:
            (fold / split / name).mkdir(parents=True, exist_ok=True)


def _link(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.symlink_to(source.absolute())
    except (OSError, NotImplementedError):  # Windows without the right to, and some file systems
        shutil.copyfile(source, place)


def rare_classes(examples: Sequence[Example], folds: int, names: Mapping[int, str]) -> str | None:
    """A line about classes that some fold must validate without; None where there are none."""
    shown = [name for example in examples for name in example.classes]
    rare = {names.get(name, str(name)): shown.count(name) for name in sorted(set(shown)) if shown.count(name) < folds}
    if not rare:
        return None
    listed = ", ".join(f"{name} ({count})" for name, count in list(rare.items())[:5])
    more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
    return f"classes with fewer images than the {folds} folds, which some folds validate without: {listed}{more}"

"""A data set as its task reads it, cut into folds that plain Ultralytics can train on."""

from __future__ import annotations

import os
from copy import copy
from pathlib import Path
from typing import Any

from yolo_dropout.base.tasks import BOXES_OR_CLASS
from yolo_dropout.errors import SpecError
from yolo_dropout.training.data import build_dataset, look_at_data, read_data
from yolo_dropout.training.folds.assignment import Example, rare_classes
from yolo_dropout.training.folds.files import write_folds
from yolo_dropout.training.models import load_model
from yolo_dropout.training.preparation import check_args

# What the folds' own data YAML says itself, or must not say: where images are, and how to download them.
_OWN_FIELDS = ("path", "train", "val", "test", "minival", "download", "yaml_file")


def split_data(model: Any, data: str, train_args: dict[str, Any], folds: int, out: Path) -> dict[str, Any]:
    """Pool the images of train and val, cut them into folds, and warm each fold's label cache.

    Arguments are those of `train_with_dropout`. Folds that are there already, in `out`, stay as they are.

    Returns:
        `n_images` in all, `n_train` and `n_val` of the first fold, and `notes` of what to mind.

    Raises:
        SpecError: The task has no folds here, or there are fewer than two images per fold.
        InputError: The data set cannot be used, or its images have changed since the folds were made.
        StudyFolderError: The folds cannot be written.
    """
    args, yolo = check_args(train_args), load_model(model)
    if yolo.task not in BOXES_OR_CLASS:
        raise SpecError(
            f"folds: can be made for {', '.join(BOXES_OR_CLASS)}, got a {yolo.task} model; leave --folds out"
        )
    fields = read_data(yolo.task, data, args)
    examples = _pool(yolo, fields, args)
    kept = {name: value for name, value in fields.items() if name not in _OWN_FIELDS}
    places = write_folds(examples, folds, out, None if yolo.task == "classify" else kept)
    found = [look_at_data(yolo, str(place), args, pooled=True) for place in places]
    rare = rare_classes(examples, folds, fields["names"])
    notes = dict.fromkeys([*(note for item in found for note in item.notes), *([rare] if rare else [])])
    sizes = {"n_images": len(examples), "n_train": found[0].n_train, "n_val": found[0].n_val}
    return {**sizes, "notes": list(notes)}


def _pool(yolo: Any, fields: dict[str, Any], args: Any) -> list[Example]:
    """Every image of train and val once, sorted by its path; those that Ultralytics finds unreadable are left out."""
    whole = copy(args)
    whole.fraction = 1.0
    read = _class_images if yolo.task == "classify" else _labelled_images
    found: dict[Path, Example] = {}
    for mode in ("train", "val"):
        for example in read(build_dataset(yolo, fields, whole, mode)):
            found.setdefault(example.image.resolve(), example)
    return sorted(found.values(), key=lambda example: example.image.as_posix())


def _labelled_images(dataset: Any) -> list[Example]:
    from ultralytics.data.utils import img2label_paths

    images = [os.path.abspath(label["im_file"]) for label in dataset.labels]  # noqa: PTH100 - links stay as they are
    labels = map(Path, img2label_paths(images))
    return [
        Example(Path(image), frozenset(map(int, found["cls"].ravel())), label if label.is_file() else None)
        for image, label, found in zip(images, labels, dataset.labels, strict=True)
    ]


def _class_images(dataset: Any) -> list[Example]:
    root = Path(dataset.root).absolute()
    files = [(Path(file).absolute(), int(number)) for file, number, *_ in dataset.samples]
    return [Example(file, frozenset({number}), folder=file.relative_to(root).parts[0]) for file, number in files]

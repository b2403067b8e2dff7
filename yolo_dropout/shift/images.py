"""The validation images of a data set, clean or corrupted, held where Ultralytics holds images in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np

from yolo_dropout.base.text import few
from yolo_dropout.errors import InputError
from yolo_dropout.shift.corruptions import Image, corrupt, key_of
from yolo_dropout.shift.sets import Pass
from yolo_dropout.training import data_notes
from yolo_dropout.training.data import build_dataset, read_data

if TYPE_CHECKING:
    from yolo_dropout.inference.calibration import Truth

# In the trainings of these tasks a validation takes batches as large as those of training, in the others twice that.
_SINGLE_BATCH = ("obb", "semantic", "depth")
_USUAL_BATCH = 16


class Images:
    """A data set's validation images; neither its files nor a label cache is written.

    Args:
        yolo: A model of the task and the classes.
        data: The data set.
        args: Arguments of the model's training, which say how images are loaded.
        one_by_one: Show single images and at most so many, evenly spread over all.

    Attributes:
        data: The data set's fields as Ultralytics resolves them.
        loader: Batches of what is shown, as large as a training's validation takes them, in order.
        names: The files of the images that are shown.

    Raises:
        InputError: The data set cannot be used, or has other classes than the model.
    """

    def __init__(self, yolo: Any, data: str, args: Any, one_by_one: int | None = None) -> None:
        from torch.utils.data import DataLoader, Subset

        self.data = _data_of(yolo, data, args)
        batch = (args.batch if args.batch >= 1 else _USUAL_BATCH) * (1 if yolo.task in _SINGLE_BATCH else 2)
        batch = batch if one_by_one is None else 1
        self._dataset = build_dataset(yolo, self.data, args, "val", batch, write_cache=False)
        if len(self._dataset) == 0:
            raise InputError(f"data: {data} has no images for {args.split}; check its folders")
        shown = range(len(self._dataset))
        if one_by_one is not None:
            shown = np.unique(np.linspace(0, len(shown) - 1, one_by_one).round().astype(int)).tolist()
        files = data_notes.images_of(self._dataset)
        self.names = [str(files[i]) for i in shown]
        collate = getattr(self._dataset, "collate_fn", None)
        self.loader = DataLoader(Subset(self._dataset, shown), batch, collate_fn=collate)

    def make(self, what: Pass) -> Callable[[], None]:
        """Make the images of a pass; returns what shows them to the loader."""
        dataset, sizes = self._dataset, list[Any]()
        if hasattr(dataset, "samples"):  # of a classifier: as they are read, since it resizes them later
            read = getattr(dataset, "imread", None) or _imread()
            held = _held((corrupt(read(f), what, key_of(f)) for f, *_ in dataset.samples))
            return lambda: vars(dataset).update(cache_ram=True, img_cache=held)

        def loaded() -> Iterable[Image]:
            for i in range(len(dataset)):
                image, *size = dataset.load_image(i)
                sizes.append(size)
                yield image

        # Corrupted after it is read and before it is resized; what is in memory and in files of arrays is passed by.
        read, absent = _imread(), [Path(f) / "none" for f in dataset.im_files]
        corrupting: Any = lambda file, **how: corrupt(read(file, **how), what, key_of(str(file)))  # noqa: E731
        vars(dataset).update(ims=[None] * len(dataset), npy_files=absent)
        with patch("ultralytics.data.base.imread", corrupting):
            held = _held(loaded())
        before, now = (list(column) for column in zip(*sizes, strict=True))
        return lambda: vars(dataset).update(ims=held, im_hw0=before, im_hw=now)


def _data_of(yolo: Any, data: str, args: Any) -> dict[str, Any]:
    found = read_data(yolo.task, data, args)
    if args.single_cls:
        found |= {"names": {0: "item"}, "nc": 1}
    own, known = ([str(name) for _, name in sorted(names.items())] for names in (found["names"], yolo.names))
    others = len(own) != len(known) or (own != known and sorted(own) == sorted(known))  # or the same in another order
    if others and yolo.task != "depth":
        has, knows = (f"{len(names)} classes ({few(names)})" for names in (own, known))
        raise InputError(f"data: {data} has {has}, and the model {knows}; give the data set that it is for")
    return found


def truths_of(yolo: Any, data: str, args: Any) -> dict[str, Truth]:
    """What the validation images of a data set hold, by their full path; of a classifier's, their class and no box.

    Raises:
        InputError: The data set cannot be used, or has other classes than the model.
    """
    from ultralytics.utils.ops import resample_segments, xywh2xyxy

    from yolo_dropout.inference.calibration import Truth

    dataset = build_dataset(yolo, _data_of(yolo, data, args), args, "val", write_cache=False)
    if hasattr(dataset, "samples"):
        return {str(Path(file).absolute()): Truth(np.array([c]), np.empty((0, 4))) for file, c, *_ in dataset.samples}
    truths = {}
    for label in dataset.labels:
        outlines = None
        if yolo.task == "obb" and len(label["segments"]):
            outlines = np.stack(
                resample_segments(list(label["segments"]), n=100)
            )  # as many for all, as in its trainings
        truth = Truth(label["cls"][:, 0], np.asarray(xywh2xyxy(label["bboxes"])), outlines)
        truths[str(Path(label["im_file"]).absolute())] = truth
    return truths


def write_list(images: Iterable[str], file: Path) -> None:
    """Write a list of images for Ultralytics, which reads it in the system's own encoding: on Windows no UTF-8.

    Raises:
        InputError: A path has letters that this encoding lacks.
    """
    try:
        file.write_text("".join(f"{path}\n" for path in images))
    except UnicodeEncodeError as error:
        line = str(error.object).splitlines()[str(error.object).count("\n", 0, error.start)]
        told = "has letters that this system's encoding lacks; rename it, or set PYTHONUTF8=1"
        raise InputError(f"data: {line} {told}") from error


def _imread() -> Any:
    from ultralytics.data.base import imread

    return imread


def _held(images: Iterable[Image]) -> list[Image]:
    """Images in a file without a name in TMPDIR: the system keeps in memory what fits, and a crash leaves nothing."""
    shapes = []
    with TemporaryFile() as file:
        for image in images:
            file.write(np.ascontiguousarray(image).data)
            shapes.append(image.shape)
        file.flush()
        pixels = np.asarray(np.memmap(file, np.uint8, "c"))
    ends = np.cumsum([prod(shape) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(pixels, ends[:-1]), shapes, strict=True)]

"""What is the same every epoch is made once a run, and held in memory as long as there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

# What a training may hold of images, bytes: 850 COCO photographs at their own size.
BUDGET = 256_000_000

# The transforms that draw nothing: an image that passes these alone is the same in every epoch.
_FIXED_TRANSFORMS = {"Resize", "CenterCrop", "ToTensor", "Normalize"}


@contextmanager
def made_once(budget: int = BUDGET) -> Iterator[None]:
    """Have Ultralytics' data sets read each image file once, and prepare a classifier's validation images once.

    Its own `cache="ram"` changes which images a mosaic is made of, and with that the numbers; this does not. Images
    that find no room in the budget, bytes, are read and prepared again each time.
    """
    from ultralytics.data import base, dataset

    held = _Held(budget)
    with ExitStack() as stack:
        for module in (base, dataset):
            for name in ("imread", "imread_unicode"):
                if hasattr(module, name):
                    stack.enter_context(patch.object(module, name, _reader(getattr(module, name), held)))
        classified = dataset.ClassificationDataset
        stack.enter_context(patch.object(classified, "__getitem__", _preparer(classified.__getitem__, held)))
        yield


class _Held(dict[Any, Any]):
    """What is held, by keys, and the room that is left for more, bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def keep(self, key: Any, content: Any, nbytes: int) -> None:
        if nbytes <= self.room:
            self.room -= nbytes
            self[key] = content


def _reader(read: Callable[..., Any], held: _Held) -> Callable[..., Any]:
    def read_once(*args: Any, **kwargs: Any) -> Any:
        key = (read, *map(str, args), *kwargs.items())
        if key not in held:
            image = read(*args, **kwargs)
            if image is None or image.nbytes > held.room:
                return image
            held.keep(key, image, image.nbytes)
        return held[key].copy()  # augmentation works in place

    return read_once


def _preparer(prepare: Callable[[Any, int], dict[str, Any]], held: _Held) -> Callable[[Any, int], dict[str, Any]]:
    def prepare_once(dataset: Any, index: int) -> dict[str, Any]:
        if (dataset, index) in held:
            return dict(held[dataset, index])  # batches are stacked, so the image itself is not written to
        if not _draws_nothing(dataset.torch_transforms):
            return prepare(dataset, index)
        with patch.object(held, "room", 0):  # the file is not needed a second time
            sample = prepare(dataset, index)
        held.keep((dataset, index), dict(sample), sample["img"].nbytes)
        return sample

    return prepare_once


def _draws_nothing(transforms: Any) -> bool:
    return {type(transform).__name__ for transform in getattr(transforms, "transforms", [None])} <= _FIXED_TRANSFORMS

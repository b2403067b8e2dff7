"""Each image is decoded once a run, and held in memory as long as there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

# What a training may hold of decoded images, bytes: 850 COCO photographs at their own size.
BUDGET = 256_000_000


@contextmanager
def decoded_once(budget: int = BUDGET) -> Iterator[None]:
    """Have Ultralytics' data sets read each image file once while the block runs.

    Its own `cache="ram"` changes which images a mosaic is made of, and with that the numbers; this does not. Images
    that find no room are read again each time.

    Args:
        budget: Most memory for decoded images, bytes.
    """
    from ultralytics.data import base, dataset

    with ExitStack() as stack:
        for module in (base, dataset):
            for name in ("imread", "imread_unicode"):
                if hasattr(module, name):
                    stack.enter_context(patch.object(module, name, _Held(getattr(module, name), budget)))
        yield


class _Held:
    def __init__(self, read: Callable[..., Any], budget: int) -> None:
        self._read, self._room = read, budget
        self._images: dict[Any, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        key = (*map(str, args), *kwargs.items())
        if key in self._images:
            return self._images[key].copy()  # augmentation works in place
        image = self._read(*args, **kwargs)
        if image is not None and image.nbytes <= self._room:
            self._room -= image.nbytes
            self._images[key] = image.copy()
        return image

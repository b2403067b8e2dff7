"""What a checkpoint says of every single validation image: its loss, and its share in mAP or accuracy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from yolo_dropout.shift.corruptions import key_of
from yolo_dropout.shift.images import Images
from yolo_dropout.shift.measuring import LOSS, arguments_of, checkpoint, validator_of

MOST_IMAGES = 500
COLUMNS = ("image", "metric", "value")
_BRANCHES = {"segment": ("M", "tp_m"), "pose": ("P", "tp_p")}


def per_image(
    models: Sequence[Any], data: str, arguments: Mapping[str, Any]
) -> Iterator[tuple[int, list[tuple[str, str, float]]]]:
    """Validate each model on one image at a time, on at most `MOST_IMAGES` of them.

    The loss of an image is what its validation alone would give. mAP is of no single image, so that each gets its
    pseudo-value, n mAP - (n - 1) mAP without it, as Dorfman, Berbaum and Metz 1992 have it, moved by what makes their
    mean mAP, as Hillis et al. 2005 have it: else a class that a single image holds would count twice.

    Args:
        models: Checkpoints of one task and data set.
        data: The data set.
        arguments: Of `YOLO.train`, instead of those of the trainings.

    Yields:
        The model's place, and rows of image, metric, value.
    """
    images = None
    for i, model in enumerate(models):
        yolo = checkpoint(model)
        args = arguments_of(yolo, arguments)
        images = images or Images(yolo, data, args, one_by_one=MOST_IMAGES)
        seen = Seen(yolo.task)
        validator_of(yolo, args, images, seen.look)()
        yield i, list(seen.rows(list(_names(images.names))))


def _names(files: Iterable[str]) -> Iterator[str]:
    """What images are called; those of the same name, in folders of the same name, are numbered."""
    known = Counter[str]()
    for name in map(key_of, files):
        known[name] += 1
        yield name if known[name] == 1 else f"{name} ({known[name]})"


class Seen:
    """Collects what a validation knows after each batch, which is one image."""

    def __init__(self, task: str) -> None:
        branch, self._tp = _BRANCHES.get(task, ("B", "tp"))
        self._metric = "metrics/accuracy_top1" if task == "classify" else f"metrics/mAP50-95({branch})"
        self._losses, self._right, self._stats = list[float](), list[float](), list[dict[str, Any]]()

    def look(self, validator: Any) -> None:
        """Take in what is known of the image that a validator has just seen."""
        self._losses.append(sum(float(value) for value in validator.loss.values()))
        if targets := getattr(validator, "targets", None):
            self._right.append(float(validator.pred[-1][0, 0] == targets[-1][0]))
        stats = getattr(getattr(validator, "metrics", None), "stats", None)
        if isinstance(stats, dict) and stats.get(self._tp):
            self._stats.append(
                {name: np.asarray(stats[name][-1]) for name in (self._tp, "conf", "pred_cls", "target_cls")}
            )

    def rows(self, names: Sequence[str]) -> Iterator[tuple[str, str, float]]:
        """Rows of image, metric, value, of the images by their names in order."""
        yield from ((name, LOSS, loss) for name, loss in zip(names, np.diff(self._losses, prepend=0.0), strict=True))
        if values := self._right or self._pseudo_values():
            yield from ((name, self._metric, value) for name, value in zip(names, values, strict=True))

    def _pseudo_values(self) -> list[float]:
        n = len(self._stats)
        left = np.array([self._map(without=i) for i in range(n if n > 1 else 0)])
        return list(self._map() + (n - 1) * (left.mean() - left)) if left.size else []

    def _map(self, without: int | None = None) -> float:
        from ultralytics.utils.metrics import ap_per_class

        left = [stats for i, stats in enumerate(self._stats) if i != without]
        columns = [
            np.concatenate([stats[name] for stats in left]) for name in (self._tp, "conf", "pred_cls", "target_cls")
        ]
        found = ap_per_class(*columns)[5] if len(columns[3]) else np.empty(0)
        return float(found.mean()) if found.size else 0.0

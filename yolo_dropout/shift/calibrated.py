"""Whether the scores of a checkpoint mean what they say, on all validation images: what runs are compared by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from yolo_dropout.shift.images import truths_of, write_list
from yolo_dropout.shift.measuring import arguments_of, checkpoint
from yolo_dropout.training.models import quiet

_OF_PREDICT = ("imgsz", "device", "nms", "iou", "max_det")


def calibrated(
    models: Sequence[Any], data: str, arguments: Mapping[str, Any]
) -> Iterator[tuple[int, dict[str, float]]]:
    """Predict with each model as `YOLO.predict` does, and compare its scores with what is right from an IoU of 0.5.

    Args:
        models: Checkpoints of one task and data set.
        data: The data set.
        arguments: Of `YOLO.train`, instead of those of the trainings.

    Yields:
        The model's place, and `dece`, `brier`, and how many `boxes` or `images` they are of: boxes that `YOLO.predict`
        shows, also where there are masks or keypoints. Without any, only that.
    """
    from yolo_dropout.inference.calibration import SHOWN_FROM, boxes_of, of_boxes, of_classes

    truths = None
    for i, model in enumerate(models):
        yolo = checkpoint(model)
        args = arguments_of(yolo, arguments)
        with TemporaryDirectory() as folder, quiet():
            truths = truths or truths_of(yolo, data, args)
            images = Path(folder) / "images.txt"
            write_list(truths, images)
            asked = {name: getattr(args, name) for name in _OF_PREDICT} | {"conf": SHOWN_FROM, "verbose": False}
            results = yolo.predict(images, stream=True, **asked)
            if yolo.task == "classify":
                found = [(result.probs.data.cpu().numpy(), truths[result.path].classes[0]) for result in results]
                yield i, of_classes(*map(np.array, zip(*found, strict=True)))
            else:
                boxes = boxes_of(results, truths)
                yield i, of_boxes(boxes.plain.to_numpy(), boxes.iou0.to_numpy())

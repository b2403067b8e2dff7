"""Validation images on which two treatments differ, and one of them under every corruption: to look at, no evidence."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from yolo_dropout.base.tasks import BOXES_OR_CLASS
from yolo_dropout.errors import SpecError
from yolo_dropout.shift.corruptions import corrupt, key_of
from yolo_dropout.shift.images import truths_of
from yolo_dropout.shift.measuring import arguments_of
from yolo_dropout.shift.sets import Pass
from yolo_dropout.training.models import load_model

if TYPE_CHECKING:
    from yolo_dropout.inference.calibration import Truth

MOST_IMAGES, PICKED, SIDE_PX = 100, 2, 480
CONF, IOU = 0.25, 0.5


@dataclass(frozen=True)
class Mark:
    """One box, or a classifier's answer.

    Attributes:
        kind: `right`, `wrong`, or `missed`.
        text: The class, and the score.
        box: Left, top, right, bottom as shares of width and height; empty for an answer about the whole image.
    """

    kind: str
    text: str
    box: tuple[float, ...] = ()


@dataclass(frozen=True)
class Look:
    """What a model says of an image.

    Attributes:
        score: F1 of its boxes with a score of at least `CONF`, right from an IoU of `IOU`; of a classifier what it
            gives to the right class.
        marks: Its boxes, and those that it missed.
    """

    score: float
    marks: tuple[Mark, ...]


def compare(
    control: Sequence[str | Path],
    other: Sequence[str | Path],
    data: str,
    arguments: Mapping[str, Any],
    strip: Sequence[Pass] = (),
) -> Iterator[dict[str, Any] | None]:
    """Look for images on which two treatments differ, by the mean over checkpoints of the same seeds.

    Args:
        control: Checkpoints of the control.
        other: Those of the other treatment, in the same order.
        data: The data set, of whose validation images at most `MOST_IMAGES` are looked at.
        arguments: Of the study's trainings.
        strip: Corruptions under which the image that all find best is shown too.

    Yields:
        None after every look, so that whoever waits can stop it. At last what JSON can hold: `looked_at` (images),
        `images` (most in favour of the other treatment first) and `shift`, each with `name`, `picture` (JPEG, base64),
        `of` (which of the checkpoints), and for `control` and `other` their `score`, `marks`, and, of images, `mean`
        score.

    Raises:
        SpecError: The task knows neither boxes nor classes of images.
        InputError: The data set cannot be used.
    """
    models = [[load_model(file) for file in files] for files in (control, other)]
    yolo = models[0][0]
    check_task(yolo.task)
    truths = truths_of(yolo, data, arguments_of(yolo, arguments))
    device = {"device": arguments.get("device")}
    paths = [list(truths)[i] for i in np.unique(np.linspace(0, len(truths) - 1, MOST_IMAGES).round().astype(int))]
    looks = [[dict[str, Look]() for _ in of] for of in models]
    for seen, model in zip(chain(*looks), chain(*models), strict=True):
        for path in paths:
            seen[path] = _look(model, path, truths[path], device)
            yield None
    scores = np.array([[[seen[path].score for path in paths] for seen in of] for of in looks])
    apart = scores[1] - scores[0]  # (checkpoints, images)
    images = [
        {"name": key_of(paths[i]), "of": of, "picture": _picture(_read(paths[i]))}
        | {
            name: asdict(looks[side][of][paths[i]]) | {"mean": float(scores[side, :, i].mean())}
            for side, name in enumerate(("control", "other"))
        }
        for i, of in _picked(apart)
    ]
    shown = paths[scores.mean(axis=(0, 1)).argmax()]
    under = []
    for what in strip:
        under.append(_under(models, shown, truths[shown], device, what))
        yield None
    yield {"looked_at": len(paths), "images": images, "shift": under}


def check_task(task: str, what: str = "examples") -> None:
    """Refuse a task that knows neither boxes nor classes of images; a `SpecError` names those that do."""
    if task not in BOXES_OR_CLASS:
        raise SpecError(f"{what}: the task must be one of {', '.join(BOXES_OR_CLASS)}, got {task}; leave that out")


def _picked(apart: np.ndarray) -> Iterable[tuple[int, int]]:
    """The images that speak most for the other treatment, then for the control, and the checkpoints that show it."""
    means = apart.mean(axis=0)
    order = np.argsort(-means, kind="stable")
    for i in order[:PICKED][means[order[:PICKED]] > 0]:
        yield int(i), int(apart[:, i].argmax())
    for i in order[-PICKED:][means[order[-PICKED:]] < 0]:
        yield int(i), int(apart[:, i].argmin())


def _under(
    models: Sequence[Sequence[Any]], path: str, truth: Truth, device: Mapping[str, Any], what: Pass
) -> dict[str, Any]:
    image = corrupt(_read(path), what, key_of(path))
    looks = {
        name: asdict(_look(of[0], image, truth, device)) for name, of in zip(("control", "other"), models, strict=True)
    }
    return {"name": what.corruption, "severity": what.severity, "of": 0, "picture": _picture(image), **looks}


def _look(yolo: Any, image: Any, truth: Truth, device: Mapping[str, Any]) -> Look:
    (result,) = yolo.predict(image, verbose=False, conf=CONF, **device)
    if result.probs is not None:
        top, wanted = result.probs.top1, int(truth.classes[0])
        text = f"{result.names[top]} {float(result.probs.top1conf):.2f}"
        return Look(float(result.probs.data[wanted]), (Mark("right" if top == wanted else "wrong", text),))
    boxes = result.boxes if result.obb is None else result.obb
    height, width = result.orig_shape
    found = boxes.xyxy.cpu().numpy() / np.array([width, height, width, height])
    classes = boxes.cls.int().cpu().numpy()
    right, held = matched(truth, found, classes)
    told = [f"{result.names[int(c)]} {float(score):.2f}" for c, score in zip(classes, boxes.conf, strict=True)]
    marks = [Mark("right" if i in right else "wrong", text, _rounded(found[i])) for i, text in enumerate(told)]
    lost = [i for i in range(len(truth.classes)) if i not in held]
    marks += [Mark("missed", str(result.names[int(truth.classes[i])]), _rounded(truth.boxes[i])) for i in lost]
    n = len(found) + len(truth.classes)
    return Look(2 * len(right) / n if n else 1.0, tuple(marks))


def matched(truth: Truth, found: np.ndarray, classes: np.ndarray) -> tuple[set[int], set[int]]:
    """Which boxes are right, and which objects are found: one box for an object, of its class."""
    import torch
    from ultralytics.utils.metrics import box_iou

    boxes, objects = (torch.as_tensor(part, dtype=torch.float32).reshape(-1, 4) for part in (found, truth.boxes))
    iou = box_iou(boxes, objects).numpy() * (classes[:, None] == truth.classes[None, :])
    iou[iou < IOU] = 0.0  # else one good pair and one bad one would count more than two that are right
    pairs = [(i, j) for i, j in zip(*linear_sum_assignment(-iou), strict=True) if iou[i, j]]
    return {int(i) for i, _ in pairs}, {int(j) for _, j in pairs}


def _rounded(box: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(side), 4) for side in box)


def _read(path: str) -> np.ndarray:
    from ultralytics.utils.patches import imread

    return np.asarray(imread(path))


def _picture(image: np.ndarray) -> str:
    import cv2

    scale = min(1.0, SIDE_PX / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    return b64encode(cv2.imencode(".jpg", small)[1].tobytes()).decode()

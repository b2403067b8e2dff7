"""Whether scores mean what they say: of boxes with score 0.8, four in five should be right.

Own code, because the library for it, netcal, brings pyro and gpytorch for the ten lines that are needed here, and
torchmetrics has the measures of classification only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from ultralytics.engine.validator import BaseValidator
from ultralytics.utils.metrics import ap_per_class, batch_probiou, box_iou
from ultralytics.utils.ops import xyxyxyxy2xywhr

from yolo_dropout.errors import InputError, ScoresError
from yolo_dropout.inference.scaling import Scaling, Temperature

BINS = 20
SHOWN_FROM = 0.25  # as YOLO.predict
LOWEST_SCORE = 0.001  # of the boxes that count for mAP, as in Ultralytics' validation
_IOUS = torch.linspace(0.5, 0.95, 10)


@dataclass(frozen=True)
class Truth:
    """What an image holds.

    Attributes:
        classes: Shape (n,).
        boxes: Left, top, right, bottom as shares of width and height, shape (n, 4).
        outlines: Of rotated boxes, points that way, shape (n, points, 2).
    """

    classes: np.ndarray
    boxes: np.ndarray
    outlines: np.ndarray | None = None


@dataclass(frozen=True)
class Calibration:
    """How well scores are calibrated, on images that the scaling has not seen.

    Attributes:
        table: A row per way: `boxes`, `mAP50-95`, `D-ECE`, `Brier`; of a classifier `images`, `top1`, `ECE`, `Brier`.
        curves: By way, a row per bin with boxes: `conf` (mean score), `right` (share of boxes), `boxes`.
        scaling: Fitted to the other half of the images.
    """

    table: pd.DataFrame
    curves: Mapping[str, pd.DataFrame]
    scaling: Scaling | Temperature


def measure(results: Iterable[Any], truths: Mapping[str, Truth], conf: float, name: str, end2end: bool) -> Calibration:
    """Compare plain scores, those under dropout, and scaled ones; boxes are right from an IoU of 0.5.

    Args:
        results: Of `predict_with_dropout`, with boxes down to `LOWEST_SCORE`.
        truths: What images hold, by path.
        conf: The lowest plain score of the boxes that D-ECE and Brier score are of.
        name: Of the way with dropout.
        end2end: Whether the scores are of a branch without NMS.

    Raises:
        InputError: A half has fewer than two images.
        ScoresError: No box is right, or none is wrong, or no score reaches `conf`.
    """
    found, halves = boxes_of(results, truths), _halves(truths)
    fit, held = (found[found.image.isin(half)] for half in halves)
    shown = fit[fit.plain >= conf]
    scaling = Scaling.fit(shown.plain.to_numpy(), shown.iou0.to_numpy(), end2end=end2end)
    scores = {"plain": held.plain, name: held.dropout, "scaled": pd.Series(scaling(held.plain.to_numpy()), held.index)}
    targets = np.concatenate([truths[image].classes for image in halves[1]])
    counted = held.plain >= conf
    if not counted.any():
        raise ScoresError(f"conf: no box of the half to measure has a score of {conf:g} or more; give a lower conf")
    table, curves = list[dict[str, Any]](), dict[str, pd.DataFrame]()
    for way, score in scores.items():
        right = held.iou0[counted].to_numpy()
        curves[way] = curve(score[counted].to_numpy(), right)
        of_way = of_boxes(score[counted].to_numpy(), right)
        errors = {"D-ECE": of_way["dece"], "Brier": of_way["brier"]}
        table.append({"scores": way, "boxes": int(counted.sum()), "mAP50-95": _map(held, score, targets), **errors})
    return Calibration(pd.DataFrame(table), curves, scaling)


def measure_classes(results: Iterable[Any], truths: Mapping[str, Truth], name: str) -> Calibration:
    """The same of a classifier's probabilities, with a temperature for scaling; see `measure`."""
    found = {result.path: result for result in results}
    truths = {path: truth for path, truth in truths.items() if path in found}  # what cannot be read is passed over
    fit, held = (
        {
            "plain": np.stack([found[path].probs.data.cpu().numpy() for path in half]),
            name: np.stack([found[path].mean_probs.cpu().numpy() for path in half]),
            "right": np.array([int(truths[path].classes[0]) for path in half]),
        }
        for half in _halves(truths)
    )
    scaling, targets = Temperature.fit(fit["plain"], fit["right"]), held.pop("right")
    ways = {**held, "scaled": scaling(torch.as_tensor(held["plain"])).numpy()}
    table = []
    for way, p in ways.items():
        measured, top1 = of_classes(p, targets), float(np.mean(p.argmax(1) == targets))
        table.append({"scores": way, "images": len(targets), "top1": top1, "ECE": measured["dece"]})
        table[-1] |= {"Brier": measured["brier"]}
    curves = {way: curve(p.max(1), (p.argmax(1) == targets).astype(float)) for way, p in ways.items()}
    return Calibration(pd.DataFrame(table), curves, scaling)


def _halves(truths: Mapping[str, Truth]) -> tuple[np.ndarray, np.ndarray]:
    """Images to fit to, and those to measure."""
    images = np.random.default_rng(0).permutation(sorted(truths))
    if len(images) < 4:
        raise InputError(f"data: needs at least 4 images, for a half to fit and a half to measure, got {len(images)}")
    return images[: len(images) // 2], images[len(images) // 2 :]


def curve(conf: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """Mean score and share of right boxes in `BINS` equal bins of the score; a row per bin that has boxes."""
    bins = np.minimum((conf * BINS).astype(int), BINS - 1)
    table = pd.DataFrame({"conf": conf, "right": right, "boxes": 1}).groupby(bins)
    return table.agg({"conf": "mean", "right": "mean", "boxes": "sum"})


def d_ece(curve: pd.DataFrame) -> float:
    """Detection expected calibration error over the score: mean gap between score and share, weighted by boxes.

    References:
        Küppers et al. 2020, "Multivariate Confidence Calibration for Object Detection" (arXiv 2004.13546).
    """
    return float(np.average((curve.conf - curve.right).abs(), weights=curve.boxes))


def of_boxes(conf: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """`dece`, `brier` and the number of `boxes`, from scores and whether they are right, each of shape (n,)."""
    if not len(conf):
        return {"boxes": 0}
    return {"boxes": len(conf), "dece": d_ece(curve(conf, right)), "brier": float(np.mean((conf - right) ** 2))}


def of_classes(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """The same of a classifier's `images`: `dece` is of the first class (Guo et al. 2017), `brier` of all (Brier 1950).

    Args:
        probabilities: Shape (n, classes).
        targets: The right classes, shape (n,).
    """
    apart = probabilities - np.eye(probabilities.shape[1])[targets]
    right = (probabilities.argmax(1) == targets).astype(float)
    error = d_ece(curve(probabilities.max(1), right))
    return {"images": len(targets), "dece": error, "brier": float(np.mean((apart**2).sum(1)))}


def boxes_of(results: Iterable[Any], truths: Mapping[str, Truth]) -> pd.DataFrame:
    """A row per box: image, class, plain score, and whether right at ten IoUs; score and information under dropout."""
    parts = []
    for result in results:
        boxes = result.obb if result.obb is not None else result.boxes
        right = _right(truths[result.path], boxes, result.orig_shape)
        told = {"image": result.path, "cls": boxes.cls.cpu().numpy(), "plain": boxes.conf.cpu().numpy()}
        if (spread := getattr(result, "uncertainty", None)) is not None:
            told |= {"dropout": spread.conf, "mutual_info": spread.mutual_info}
        parts.append(pd.DataFrame(told | {f"iou{i}": right[:, i] for i in range(len(_IOUS))}))
    return pd.concat(parts, ignore_index=True)


def _right(truth: Truth, boxes: Any, shape: tuple[int, int]) -> np.ndarray:
    if not len(truth.classes) or not len(boxes):
        return np.zeros((len(boxes), len(_IOUS)))
    if truth.outlines is not None:
        held = torch.as_tensor(truth.outlines * shape[::-1], dtype=torch.float32)
        iou = batch_probiou(xyxyxyxy2xywhr(held), boxes.xywhr.cpu())
    else:
        held = torch.as_tensor(truth.boxes * np.tile(shape[::-1], 2), dtype=torch.float32)
        iou = box_iou(held, boxes.xyxy.cpu())
    stub, classes = SimpleNamespace(iouv=_IOUS), torch.as_tensor(truth.classes)
    return np.asarray(BaseValidator.match_predictions(stub, boxes.cls.cpu(), classes, iou).numpy(), dtype=float)


def _map(held: pd.DataFrame, score: pd.Series, targets: Sequence[Any] | np.ndarray) -> float:
    right = held[[f"iou{i}" for i in range(len(_IOUS))]].to_numpy()
    average_precisions = ap_per_class(right, score.to_numpy(), held.cls.to_numpy(), np.asarray(targets))[5]
    return float(np.mean(average_precisions)) if len(average_precisions) else 0.0

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
from ultralytics.utils.metrics import ap_per_class, box_iou

from yolo_dropout.errors import InputError, ScoresError
from yolo_dropout.inference.scaling import Scaling

BINS = 20
LOWEST_SCORE = 0.001  # of the boxes that count for mAP, as in Ultralytics' validation
_IOUS = torch.linspace(0.5, 0.95, 10)


@dataclass(frozen=True)
class Truth:
    """What an image holds.

    Attributes:
        classes: Shape (n,).
        boxes: Left, top, right, bottom as shares of width and height, shape (n, 4).
    """

    classes: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """How well scores are calibrated, on images that the scaling has not seen.

    Attributes:
        table: A row per way: `boxes`, `mAP50-95`, `D-ECE`, `Brier`.
        curves: By way, a row per bin with boxes: `conf` (mean score), `right` (share of boxes), `boxes`.
        scaling: Fitted to the other half of the images.
    """

    table: pd.DataFrame
    curves: Mapping[str, pd.DataFrame]
    scaling: Scaling


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
    found = boxes_of(results, truths)
    images = np.random.default_rng(0).permutation(sorted(truths))
    halves = images[: len(images) // 2], images[len(images) // 2 :]
    if len(images) < 4:
        raise InputError(f"data: needs at least 4 images, for a half to fit and a half to measure, got {len(images)}")
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
        measured = {"mAP50-95": _map(held, score, targets), "D-ECE": d_ece(curves[way])}
        brier = float(np.mean((score[counted] - right) ** 2))
        table.append({"scores": way, "boxes": int(counted.sum()), **measured, "Brier": brier})
    return Calibration(pd.DataFrame(table), curves, scaling)


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


def boxes_of(results: Iterable[Any], truths: Mapping[str, Truth]) -> pd.DataFrame:
    """A row per box: image, class, plain score, score and information under dropout, and whether right at ten IoUs."""
    parts = []
    for result in results:
        truth, boxes = truths[result.path], result.boxes
        right = _right(truth, boxes, result.orig_shape)
        told = {"image": result.path, "cls": boxes.cls.cpu().numpy(), "plain": boxes.conf.cpu().numpy()}
        told |= {"dropout": result.uncertainty.conf, "mutual_info": result.uncertainty.mutual_info}
        parts.append(pd.DataFrame(told | {f"iou{i}": right[:, i] for i in range(len(_IOUS))}))
    return pd.concat(parts, ignore_index=True)


def _right(truth: Truth, boxes: Any, shape: tuple[int, int]) -> np.ndarray:
    if not len(truth.classes) or not len(boxes):
        return np.zeros((len(boxes), len(_IOUS)))
    held = torch.as_tensor(truth.boxes * np.tile(shape[::-1], 2), dtype=torch.float32)
    iou = box_iou(held, boxes.xyxy.cpu())
    stub, classes = SimpleNamespace(iouv=_IOUS), torch.as_tensor(truth.classes)
    return np.asarray(BaseValidator.match_predictions(stub, boxes.cls.cpu(), classes, iou).numpy(), dtype=float)


def _map(held: pd.DataFrame, score: pd.Series, targets: Sequence[Any] | np.ndarray) -> float:
    right = held[[f"iou{i}" for i in range(len(_IOUS))]].to_numpy()
    average_precisions = ap_per_class(right, score.to_numpy(), held.cls.to_numpy(), np.asarray(targets))[5]
    return float(np.mean(average_precisions)) if len(average_precisions) else 0.0

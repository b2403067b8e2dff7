"""Scores that mean what they say: Platt scaling of boxes, a temperature for classifiers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize, minimize_scalar

from yolo_dropout.base.files import read_json
from yolo_dropout.errors import InputError, ScoresError, SpecError

_BRANCHES = {True: "one-to-one", False: "NMS"}
_EDGE = 1e-6


@dataclass(frozen=True)
class Scaling:
    """The score of a box is made sigmoid(slope * logit(score) + offset).

    Attributes:
        slope: Below 1 where scores are too extreme.
        offset: Above 0 where they are too low.
        end2end: Whether fitted to the branch that needs no NMS, whose scores are others.
        fitted_on: Boxes that it was fitted to.
    """

    slope: float
    offset: float
    end2end: bool
    fitted_on: int

    @classmethod
    def fit(cls, conf: np.ndarray, correct: np.ndarray, *, end2end: bool = False) -> Scaling:
        """Fit by maximum likelihood to scores and whether they were right, each of shape (n,).

        Raises:
            ScoresError: None is right, or none is wrong.

        References:
            Platt 1999, whose targets stay off 0 and 1, so that a perfect separation has a fit.
        """
        right, wrong = int(correct.sum()), int((1 - correct).sum())
        if not right or not wrong:
            raise ScoresError(f"scaling: needs boxes that are right and others that are wrong, got {right} and {wrong}")
        target = np.where(correct > 0, (right + 1) / (right + 2), 1 / (wrong + 2))
        logits = _logit(conf)

        def loss(ab: np.ndarray) -> float:
            scaled = ab[0] * logits + ab[1]
            return float(np.mean(np.logaddexp(0, scaled) - target * scaled))

        # Above 0, so that the order of boxes, and with it mAP, stays as it is.
        slope, offset = minimize(loss, [1.0, 0.0], method="L-BFGS-B", bounds=[(_EDGE, None), (None, None)]).x
        return cls(float(slope), float(offset), end2end, len(conf))

    def check(self, task: str, end2end: bool) -> None:
        """Refuse scores of a classifier or of another branch with a `SpecError`."""
        if task == "classify":
            raise SpecError("scaling: was fitted to boxes, got a classifier; calibrate that one")
        if end2end != self.end2end:
            mine, other = _BRANCHES[self.end2end], _BRANCHES[end2end]
            way_out = f"use nms={not self.end2end}, or calibrate again with nms={not end2end}"
            raise SpecError(f"scaling: was fitted to scores of the branch {mine}, got those of {other}; {way_out}")

    def __call__(self, conf: Any) -> Any:
        """Scaled scores of a tensor or array, of the same shape."""
        if isinstance(conf, np.ndarray):
            return 1 / (1 + np.exp(-(self.slope * _logit(conf) + self.offset)))
        return (self.slope * conf.clamp(_EDGE, 1 - _EDGE).logit() + self.offset).sigmoid()


@dataclass(frozen=True)
class Temperature:
    """A classifier's probabilities p are made softmax(log(p) / temperature).

    Attributes:
        temperature: Above 1 where they are too extreme.
        fitted_on: Images that it was fitted to.
    """

    temperature: float
    fitted_on: int

    @classmethod
    def fit(cls, probabilities: np.ndarray, targets: np.ndarray) -> Temperature:
        """Fit by maximum likelihood to probabilities, shape (n, classes), and the right classes, shape (n,).

        Raises:
            ScoresError: No answer is right, or none is wrong.

        References:
            Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv 1706.04599).
        """
        right = int((probabilities.argmax(1) == targets).sum())
        if right in (0, len(targets)):
            wrong = len(targets) - right
            raise ScoresError(
                f"scaling: needs images that are right and others that are wrong, got {right} and {wrong}"
            )
        p, wanted = torch.as_tensor(probabilities, dtype=torch.float64), torch.as_tensor(targets)

        def loss(log_temperature: float) -> float:
            scaled = cls(float(np.exp(log_temperature)), 0)(p)
            return float(torch.nn.functional.nll_loss(scaled.clamp(min=_EDGE).log(), wanted))

        best = minimize_scalar(loss, bounds=(-5, 5), method="bounded")
        return cls(float(np.exp(best.x)), len(targets))

    def check(self, task: str, _end2end: bool) -> None:
        """Refuse what is no classifier with a `SpecError`."""
        if task != "classify":
            raise SpecError(f"scaling: was fitted to a classifier, got a model of the task {task}; calibrate that one")

    def __call__(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Scaled probabilities, classes along the last axis."""
        return (probabilities.clamp(min=_EDGE).log() / self.temperature).softmax(-1)


def read_scaling(path: str | Path) -> Scaling | Temperature:
    """What `write_scaling` wrote; an `InputError` where that is not it."""
    try:
        held = read_json(Path(path))
        if "temperature" in held:
            return Temperature(float(held["temperature"]), int(held["fitted_on"]))
        return Scaling(float(held["slope"]), float(held["offset"]), bool(held["end2end"]), int(held["fitted_on"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"scaling: {path} is none that `yolo-dropout calibrate` wrote ({error!r})") from error


def write_scaling(scaling: Scaling | Temperature, path: Path) -> None:
    """Write it as JSON."""
    path.write_text(json.dumps(asdict(scaling), indent=1) + "\n", encoding="utf-8")


def _logit(conf: np.ndarray) -> np.ndarray:
    clipped = np.clip(conf, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(clipped / (1 - clipped)))

"""Platt scaling: scores that mean what they say."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

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
    def read(cls, path: str | Path) -> Scaling:
        """What `write` wrote; an `InputError` where that is not it."""
        try:
            held = read_json(Path(path))
            return cls(float(held["slope"]), float(held["offset"]), bool(held["end2end"]), int(held["fitted_on"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"scaling: {path} is none that `yolo-dropout calibrate` wrote ({error!r})") from error

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

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    def check(self, end2end: bool) -> None:
        """Refuse scores of another branch with a `SpecError`."""
        if end2end != self.end2end:
            mine, other = _BRANCHES[self.end2end], _BRANCHES[end2end]
            way_out = f"use nms={not self.end2end}, or calibrate again with nms={not end2end}"
            raise SpecError(f"scaling: was fitted to scores of the branch {mine}, got those of {other}; {way_out}")

    def __call__(self, conf: Any) -> Any:
        """Scaled scores of a tensor or array, of the same shape."""
        if isinstance(conf, np.ndarray):
            return 1 / (1 + np.exp(-(self.slope * _logit(conf) + self.offset)))
        return (self.slope * conf.clamp(_EDGE, 1 - _EDGE).logit() + self.offset).sigmoid()


def _logit(conf: np.ndarray) -> np.ndarray:
    clipped = np.clip(conf, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(clipped / (1 - clipped)))

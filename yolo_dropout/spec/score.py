"""How a curve becomes one number per run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from yolo_dropout.base.text import printable
from yolo_dropout.errors import SpecError

_SCORE = re.compile(r"(?P<metric>[^@]+?)(?:@(?P<at>min|max|best|last(?P<k>[1-9]\d*)?))?")

_NAMES = {
    "val/loss": "validation loss",
    "metrics/accuracy_top1": "top-1 accuracy",
    "metrics/accuracy_top5": "top-5 accuracy",
    "metrics/mIoU": "mean IoU",
}
_BRANCHES = {"(B)": " (boxes)", "(M)": " (masks)", "(P)": " (keypoints)"}


@dataclass(frozen=True)
class Score:
    """How a curve becomes one number per run.

    Attributes:
        metric: A column of `results.csv`, or `val/loss`, the sum of the validation losses.
        at: `min` or `max` over epochs, `last` (mean of the last `k`), or `best` (the epoch of `best.pt`).
        k: Number of epochs for `last`.
    """

    metric: str = "val/loss"
    at: Literal["min", "max", "last", "best"] = "min"
    k: int = 1

    @classmethod
    def parse(cls, text: str) -> Score:
        """Read `metric`, `metric@min`, `metric@max`, `metric@last5` or `metric@best`.

        Raises:
            SpecError: The text is none of these.
        """
        match = _SCORE.fullmatch(str(text).strip())
        if match is None:
            raise SpecError(f"score: must be a metric, alone or with @min, @max, @best, @last or @last5, got {text!r}")
        metric, at = match["metric"], match["at"]
        if at is None:
            return cls(metric, "max" if higher_is_better(metric) else "min")
        return cls(metric, "last", int(match["k"] or 1)) if at.startswith("last") else cls(metric, at)  # type: ignore[arg-type]

    def __str__(self) -> str:
        k = self.k if self.at == "last" and self.k > 1 else ""
        return f"{self.metric}@{self.at}{k}"

    @property
    def words(self) -> str:
        """The score in words: `val/loss@min` -> lowest validation loss."""
        name = metric_name(self.metric)
        if self.at == "last":
            return f"{name} at the end (last {'epoch' if self.k == 1 else f'{self.k} epochs'})"
        return {"min": f"lowest {name}", "max": f"highest {name}"}.get(self.at, f"{name} of best.pt")

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger score is a better one: so for mAP and accuracy, not for losses."""
        return higher_is_better(self.metric)


def higher_is_better(metric: str) -> bool:
    """Whether a larger value of a `results.csv` column is better: `metrics/…` yes, losses and errors no."""
    error = re.search(r"loss|error|rmse|abs_rel|sq_rel|silog", metric.lower())
    return metric.startswith("metrics/") and error is None


def metric_name(metric: str) -> str:
    """A `results.csv` column in words: `metrics/mAP50-95(B)` -> mAP50-95 (boxes)."""
    if metric in _NAMES:
        return _NAMES[metric]
    metric = printable(metric)  # foreign results name their columns as they like
    if metric.startswith("val/"):
        return metric.removeprefix("val/").replace("_", " ") + " (validation)"
    name = metric.removeprefix("metrics/").replace("_", " ")
    return next((name.removesuffix(end) + words for end, words in _BRANCHES.items() if name.endswith(end)), name)

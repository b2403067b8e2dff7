"""How a curve becomes one number per run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from yolo_dropout.base.text import printable
from yolo_dropout.errors import SpecError

_SCORE = re.compile(r"(?P<metric>[^@]+?)(?:@(?P<at>best|(?:min|max|last)(?P<k>[1-9][0-9]{0,8})?))?")
# What people call a column: mAP50-95 is that of boxes, as everywhere; masks and keypoints are mAP50-95(M) and (P).
_SHORT = re.compile(r"(?P<name>precision|recall|mAP50|mAP50-95)(?P<branch>\([BMP]\))?|(?P<top>top[15])|mIoU")

# The mean of a metric over corruptions, all that were measured or those of a set.
_SHIFT = re.compile(r"shift(:(?P<within>\w+))?/(?P<name>.+)")
CALIBRATION = ("calibration/dece", "calibration/brier")

_NAMES = {
    "calibration/dece": "calibration error",
    "calibration/brier": "Brier score",
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
        at: `min` or `max` over epochs, `last` (mean of the last `k`), or `best` (the epoch of `best.pt`; so for what
            was measured of that checkpoint afterwards).
        k: Number of epochs for `last`; for `min` and `max` those of a running mean, which noise of single epochs moves
            less: the noisier of two curves has the lower minimum.
    """

    metric: str = "val/loss"
    at: Literal["min", "max", "last", "best"] = "min"
    k: int = 1

    @classmethod
    def parse(cls, text: str) -> Score:
        """Read `metric`, `metric@min`, `metric@min5`, `metric@max`, `metric@last5` or `metric@best`.

        The metric is a column of `results.csv`, `val/loss`, or a short name: `mAP50-95`, `mAP50`, `top1`, `mIoU`. Of
        `best.pt` under shift it is `shift/mAP50-95`, `shift/loss`, or `shift:weather/loss` for a set of corruptions; of
        its calibration `calibration/dece` or `calibration/brier`.

        Raises:
            SpecError: The text is none of these.
        """
        match = _SCORE.fullmatch(str(text).strip())
        if match is None:
            raise SpecError(
                f"score: must be a metric, alone or with @min, @min5, @max, @best, @last or @last5, got {text!r}"
            )
        if match["metric"].startswith("calibration/") and match[0] not in CALIBRATION:
            raise SpecError(f"score: there is no {match[0]!r}; there are {' and '.join(CALIBRATION)}")
        if match["metric"] in CALIBRATION or (shift_score(match["metric"]) and not match["at"]):
            return cls(match["metric"], "best")
        metric, at, k = _column(match["metric"]), match["at"], int(match["k"] or 1)
        at = ("max" if higher_is_better(metric) else "min") if at is None else at.rstrip("0123456789")
        return cls(metric, at, k)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return self.metric if self.measured_by else f"{self.metric}@{self.at}{self.k if self.k > 1 else ''}"

    @property
    def words(self) -> str:
        """The score in words: `val/loss@min` -> lowest validation loss."""
        name = metric_name(self.metric)
        if self.measured_by:
            return name
        if self.at == "last":
            return f"{name} at the end (last {'epoch' if self.k == 1 else f'{self.k} epochs'})"
        smooth = f" (mean of {self.k} epochs)" if self.k > 1 else ""
        return {"min": f"lowest {name}{smooth}", "max": f"highest {name}{smooth}"}.get(self.at, f"{name} of best.pt")

    @property
    def measured_by(self) -> str | None:
        """The option that has it measured, after the trainings; None for what `results.csv` holds."""
        if self.metric in CALIBRATION:
            return "--calibration"
        return "--shift" if shift_score(self.metric) else None

    @property
    def column(self) -> str:
        """The column of `results.csv` that it is about; of calibration, the score itself."""
        shift = shift_score(self.metric)
        return shift[1] if shift else self.metric

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger score is a better one: so for mAP and accuracy, not for losses."""
        return higher_is_better(self.metric)


def shift_score(metric: str) -> tuple[str, str] | None:
    """The set of corruptions, empty for all, and the column that a score under shift is about; None for others."""
    if (found := _SHIFT.fullmatch(metric)) is None:
        return None
    column = _column(found["name"])
    return found["within"] or "", column if "/" in column else f"val/{column}"


def _column(metric: str) -> str:
    """The column that a short name stands for; any other text as it is."""
    if (short := _SHORT.fullmatch(metric)) is None:
        return metric
    if short["top"]:
        return f"metrics/accuracy_{short['top']}"
    return f"metrics/{short['name']}{short['branch'] or '(B)'}" if short["name"] else f"metrics/{metric}"


def higher_is_better(metric: str) -> bool:
    """Whether a larger value of a `results.csv` column is better: `metrics/…` yes, losses and errors no."""
    metric = (shift_score(metric) or ("", metric))[1]
    error = re.search(r"loss|error|rmse|abs_rel|sq_rel|silog", metric.lower())
    return metric.startswith("metrics/") and error is None


def metric_name(metric: str) -> str:
    """A `results.csv` column in words: `metrics/mAP50-95(B)` -> mAP50-95 (boxes)."""
    if shift := shift_score(metric):
        return f"{metric_name(shift[1])} under shift" + (f" ({shift[0]})" if shift[0] else "")
    if metric in _NAMES:
        return _NAMES[metric]
    metric = printable(metric)  # foreign results name their columns as they like
    if metric.startswith("val/"):
        return metric.removeprefix("val/").replace("_", " ") + " (validation)"
    name = metric.removeprefix("metrics/").replace("_", " ")
    return next((name.removesuffix(end) + words for end, words in _BRANCHES.items() if name.endswith(end)), name)

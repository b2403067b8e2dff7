"""Whether the runs learned anything at all: scores of models that did not say nothing about dropout."""

from __future__ import annotations

import math

import numpy as np

from yolo_dropout.base.text import number
from yolo_dropout.folder.results_csv import VAL_LOSS, Results
from yolo_dropout.results.table import Table, score_of
from yolo_dropout.spec.score import Score, metric_name


def nothing_learned(table: Table, score: Score, n_classes: int, n_val: int) -> str | None:
    """Why no verdict can rest on these runs, and the way out; None where at least one of them learned something.

    The number of classes says what a classifier's accuracy is by chance, that of validation images how far luck takes
    it from there; both are 0 where unknown.
    """
    runs = list(table.results.values())
    start, in_all = "No verdict:", f"in all {len(runs)} runs"
    headline = table.headline
    if headline and runs and not any(_learned(run, headline, n_classes, n_val) for run in runs):
        best = max(score_of(run, Score(headline, "max")) for run in runs)
        level = f"is at most {number(best)}, which is chance," if best else "is 0"
        return (
            f"{start} no run learned anything, as the {metric_name(headline)} {level} {in_all}. "
            "Start from pretrained weights (model=yolo26n.pt), train for more epochs, or look at the labels."
        )
    if score == Score(VAL_LOSS, "min") and runs and not any(map(_fell, runs)):
        return (
            f"{start} {in_all} the validation loss is lowest in the first epoch, so training never improved the model. "
            "Train for more epochs or with a smaller lr0, or compare how runs end "
            "(--score val/loss@last5)."
        )
    return None


def _learned(run: Results, headline: str, n_classes: int, n_val: int) -> bool:
    if headline not in run.metrics or not math.isfinite(best := score_of(run, Score(headline, "max"))):
        return False
    if not headline.startswith("metrics/accuracy") or n_classes < 2:
        return best > 0
    chance = 1 / n_classes
    return best > chance + 2 * math.sqrt(chance * (1 - chance) / max(n_val, 1))


def _fell(run: Results) -> bool:
    """Whether the validation loss was ever below that of the first epoch; so for a single epoch, which cannot tell."""
    curve = run.curve(VAL_LOSS)
    return len(curve) < 2 or not np.isfinite(curve[0]) or bool(np.nanmin(curve) < curve[0])

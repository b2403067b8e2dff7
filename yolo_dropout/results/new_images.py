"""How far a study's differences hold on other images: what was measured image by image, as one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from yolo_dropout.base.text import named, number
from yolo_dropout.decision.new_images import LEAST_IMAGES, LEAST_SEEDS, on_images
from yolo_dropout.folder.results_csv import VAL_LOSS, Results
from yolo_dropout.results.by_run import rows_of
from yolo_dropout.results.examples import chosen
from yolo_dropout.spec.acting import LOSS_WEIGHTS
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.score import higher_is_better, metric_name

if TYPE_CHECKING:
    from yolo_dropout.results.collect import StudyResults

COLUMNS = ("treatment", "metric", "seeds", "images", "difference", "low", "high", "new_low", "new_high")


def over_images(study: StudyResults) -> pd.DataFrame:
    """Each treatment's improvement on the control by `best.pt`, on the study's validation images and on new ones.

    Returns:
        A row per metric and treatment. Columns treatment, metric, seeds and images (how many), difference, low and high
        (on these images, whatever the seed), new_low and new_high (on new images like these). Each limit holds with the
        verdict's confidence, for all treatments together (Bonferroni).
    """
    control, *others = (item.name for item in study.spec.treatments)
    weighed = {item.name for item in study.spec.treatments if LOSS_WEIGHTS & item.train.keys()}  # another loss
    known = {run: measured for run, found in study.table.results.items() if (measured := _by_metric(found))}
    levels = {found.treatment: found.level for found in study.verdict.comparisons} if known else {}  # less at looks
    rows = []
    for metric in dict.fromkeys(name for measured in known.values() for name in measured):
        for name in (name for name in others if metric != VAL_LOSS or name not in weighed):
            pairs = [(known.get(Run(seed, control), {}), known.get(Run(seed, name), {})) for seed in study.spec.seeds]
            both = [(one[metric], other[metric]) for one, other in pairs if metric in one and metric in other]
            if (apart := _differences(both)) is not None:
                sign = 1 if higher_is_better(metric) else -1
                found = on_images(sign * apart, levels.get(name, study.spec.alpha) / len(others))
                rows.append((name, metric, *apart.shape, found.difference, *found.same, *found.new))
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def in_words(study: StudyResults) -> str:
    """What is known on new images of the treatment to use, or of the best-looking one; empty where nothing is."""
    name, found, metric = chosen(study), study.on_images, study.score.column
    metric = metric if metric in set(found["metric"]) else VAL_LOSS
    rows = found[(found["treatment"] == name) & (found["metric"] == metric)].to_dict("records")
    if not rows or name is None or study.nothing_learned:
        return ""
    row: Any = rows[0]
    start = f"On new images like these {row['images']}"
    if not np.isfinite(row["new_low"]):
        return f"{start} nothing can be said: that takes {LEAST_SEEDS} seeds and {LEAST_IMAGES} images."
    fields, among = ("low", "high", "new_low", "new_high"), [0, row["low"], row["high"]]
    low, high, least, most = (number(row[field], among) for field in fields)
    does = f"{'improves' if row['difference'] > 0 else 'worsens'} the {metric_name(row['metric'])} of best.pt"
    told = f"{named(name)} {does} by {number(abs(row['difference']), among)}"
    return f"{start}, {told} (improvement between {least} and {most}); on these very images between {low} and {high}."


def _by_metric(results: Results) -> dict[str, dict[str, float]]:
    measured: dict[str, dict[str, float]] = {}
    for image, metric, value in rows_of(results.images, ("image", "metric", "value")):
        measured.setdefault(metric, {})[image] = value
    return measured


def _differences(pairs: Sequence[tuple[dict[str, float], dict[str, float]]]) -> Any:
    """Other less control, shape (n_seeds, n_images), of the images that all have; None without any."""
    if not pairs:
        return None
    images = sorted(set.intersection(*(set(values) for pair in pairs for values in pair)))
    apart = np.array([[other[image] - one[image] for image in images] for one, other in pairs])
    return apart if apart.size and np.isfinite(apart).all() else None

"""What a validation says of every class: Ultralytics computes it after each epoch, and writes only the mean."""

from __future__ import annotations

import csv
import io
from typing import Any

NAME, COLUMNS = "classes.csv", ("class", "metric", "value")
_BRANCHES = {"box": "metrics/mAP50-95(B)", "seg": "metrics/mAP50-95(M)", "pose": "metrics/mAP50-95(P)"}


def by_class(validator: Any) -> str:
    """The classes that the validation images hold as a CSV file: columns class, metric (as in `results.csv`), value.

    mAP50-95 of each branch, or a classifier's accuracy; empty where a task has neither by class.
    """
    names, metrics, rows = validator.names, getattr(validator, "metrics", None), list[tuple[str, str, float]]()
    for branch, metric in _BRANCHES.items():
        if (found := getattr(metrics, branch, None)) is not None and len(found.all_ap):
            rows += [(names[int(c)], metric, ap) for c, ap in zip(found.ap_class_index, found.ap, strict=True)]
    if targets := getattr(validator, "targets", None):
        import torch

        wanted = torch.cat(targets).flatten()
        right = torch.cat([predicted[:, 0] for predicted in validator.pred]) == wanted
        told = "metrics/accuracy_top1"
        rows += [(names[int(c)], told, right[wanted == c].float().mean().item()) for c in wanted.unique()]
    return _as_csv(rows)


def _as_csv(rows: list[tuple[str, str, float]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *((name, metric, f"{value:.5g}") for name, metric, value in rows)])
    return text.getvalue() if rows else ""

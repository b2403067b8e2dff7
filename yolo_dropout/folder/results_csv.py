"""One `results.csv` as Ultralytics wrote it, or as a crash left it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from yolo_dropout.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

VAL_LOSS = "val/loss"
# What Ultralytics takes as fitness, by task; best.pt is the epoch where their sum is largest. People quote the last.
_FITNESS = (
    ("metrics/mAP50-95(B)", "metrics/mAP50-95(M)"),
    ("metrics/mAP50-95(B)", "metrics/mAP50-95(P)"),
    ("metrics/mAP50-95(B)",),
    ("metrics/accuracy_top5", "metrics/accuracy_top1"),
    ("metrics/mIoU",),
    ("metrics/delta1",),
)
# Ultralytics compares the fitness itself, rounded to 5 decimals. Each column is rounded as well, so the sum of two
# may tell equal epochs apart by this much: one third and one third is not two thirds, five digits in.
_ROUNDED_APART = 2.1e-5
_LOSS_APART = 1e-9


@dataclass(frozen=True)
class Results:
    """The metrics of one run by epoch.

    Attributes:
        epochs: Epoch numbers, increasing from 1, shape (n_epochs,).
        metrics: Column names without `epoch` and `time`; `val/loss` is always among them.
        matrix: Shape (n_epochs, n_metrics); may hold inf and nan, as a diverged training writes them.
        notes: A line for each thing that was repaired.
        by_loss: Whether the validation loss selected `best.pt`.
        shift: What was measured of the run's checkpoint under shift, as `measure_shift` returns it.
        calibration: How well that checkpoint is calibrated: `dece`, `brier`; None where nobody has asked.
        classes: The file that may hold the best epoch by class.
        images: The file that may hold what its checkpoint says image by image.
    """

    epochs: NDArray[np.int64]
    metrics: tuple[str, ...]
    matrix: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    by_loss: bool = False
    shift: pd.DataFrame | None = None
    calibration: Mapping[str, float] | None = None
    classes: Path | None = None
    images: Path | None = None

    def curve(self, metric: str) -> NDArray[np.float64]:
        """One metric by epoch, shape (n_epochs,); an `InputError` names the others where there is no such column."""
        if metric not in self.metrics:
            known = ", ".join(name for name in self.metrics if not name.startswith("lr/"))
            raise InputError(f"score: no metric {metric!r} in results.csv; there are {known}")
        column: NDArray[np.float64] = self.matrix[:, self.metrics.index(metric)]
        return column

    @property
    def diverged(self) -> str | None:
        """From which epoch on the validation loss is not finite, in words; None where it always is."""
        bad = ~np.isfinite(self.curve(VAL_LOSS))
        return f"validation loss not finite from epoch {self.epochs[bad][0]} on" if bad.any() else None

    @property
    def fitness(self) -> tuple[str, ...]:
        """The columns whose sum selects `best.pt`; empty when this is no known task."""
        return next((names for names in _FITNESS if set(names) <= set(self.metrics)), ())

    @property
    def best_row(self) -> int:
        """Row of the epoch that `best.pt` holds; of equal epochs Ultralytics keeps the last."""
        if self.by_loss:
            loss = np.nan_to_num(self.curve(VAL_LOSS), nan=np.inf)
            return int(np.flatnonzero(loss <= loss.min() + _LOSS_APART)[-1])
        if not self.fitness:
            raise InputError("score: @best needs a fitness column such as metrics/mAP50-95(B), got none")
        total = np.nan_to_num(sum(self.curve(name) for name in self.fitness))
        slack = _ROUNDED_APART if len(self.fitness) > 1 else 0.0
        return int(np.flatnonzero(total >= total.max() - slack)[-1])


def read_results(path: Path) -> Results:
    """Read a `results.csv`, and repair what crashes and resumed trainings leave.

    A last row that is cut off is left out; of an epoch that stands there twice the later row counts,
    since the training went on from there. Each repair is told in `notes`.

    Raises:
        InputError: The file is missing, holds no epoch, or is no `results.csv`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark before the first letter
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    whole, _, cut_off = text.rpartition("\n")
    notes = [f"{path}: the last row is cut off and was left out"] if cut_off.strip() else []
    lines = [line for line in whole.splitlines() if line]
    header = _cells(lines[0]) if lines else []
    if "epoch" not in header or len(set(header)) < len(header):
        raise InputError(f"{path}: is no results.csv of Ultralytics; its first line must name the columns, epoch first")
    values = np.array(_rows(lines[1:], header, path, notes))
    epochs = values[:, header.index("epoch")].astype(np.int64)
    keep = [column for column, name in enumerate(header) if name not in ("epoch", "time")]
    metrics, values = [header[column] for column in keep], values[:, keep]
    losses = [column for column, name in enumerate(metrics) if name.startswith("val/")]
    if VAL_LOSS not in metrics and losses:
        # Columns that are always 0 in validation (sem_loss, rle_loss, aux_loss, ...) add nothing. Rounded as
        # finely as Ultralytics prints, so that the sum carries no digits that no loss has.
        total = np.round(values[:, losses].sum(axis=1, keepdims=True), 6)
        metrics, values = [*metrics, VAL_LOSS], np.hstack([values, total])
    return Results(epochs, tuple(metrics), values, tuple(notes))


def _cells(line: str) -> list[str]:
    """The cells of a line. Numbers and Ultralytics' names hold neither commas nor quotes, which spreadsheets add."""
    return [cell.strip(' "') for cell in line.split(",")]


def _rows(lines: Iterable[str], header: Sequence[str], path: Path, notes: list[str]) -> list[list[float]]:
    rows: dict[int, list[float]] = {}
    for line in lines:
        try:
            row = [float(value) for value in _cells(line)]
            epoch = int(row[header.index("epoch")])
        except (ValueError, OverflowError, IndexError):
            row, epoch = [], 0
        if len(row) != len(header) or epoch < 1:
            notes.append(f"{path}: a row is not one number per column and was left out: {line[:80]!r}")
            continue
        if epoch in rows:
            notes.append(f"{path}: epoch {epoch} stands there twice; the later row counts")
        rows[epoch] = row
    if not rows:
        raise InputError(f"{path}: holds no finished epoch")
    return [rows[epoch] for epoch in sorted(rows)]


def headline_metric(names: Iterable[str]) -> str | None:
    """The metric that people quote for this task, of those named: mAP50-95, accuracy, mIoU; None without any."""
    names = set(names)
    return next((quoted for *_, quoted in _FITNESS if quoted in names), None)

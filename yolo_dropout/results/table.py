"""Results of many runs -> tidy curves, scores and a summary by rate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from yolo_dropout.errors import InputError
from yolo_dropout.folder.results_csv import Results, headline_metric, read_results
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.score import Score


@dataclass(frozen=True)
class Table:
    """The results of a study's runs, in order, and what had to be repaired or left out."""

    results: Mapping[Run, Results]
    notes: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics that any run has, in the order of `results.csv`."""
        return tuple(dict.fromkeys(name for results in self.results.values() for name in results.metrics))

    @property
    def headline(self) -> str | None:
        """The metric that people quote for this task; see `headline_metric`."""
        return headline_metric(self.metrics)


def read_table(runs: Mapping[Run, Path], read: Callable[[Path], Results] = read_results) -> Table:
    """Read the `results.csv` of every run.

    Args:
        runs: Path of `results.csv` by run.
        read: Reads one; by default from its file.

    Raises:
        InputError: Runs have different validation losses, so that their sums cannot be compared.
    """
    results: dict[Run, Results] = {}
    notes: list[str] = []
    for run in sorted(runs):
        try:
            results[run] = read(runs[run])
        except InputError as error:
            notes.append(f"{error}; the run is left out")
            continue
        notes.extend(results[run].notes)
    _check_same_losses({runs[run]: found.metrics for run, found in results.items()})
    return Table(results, tuple(notes))


def _check_same_losses(metrics: Mapping[Path, Sequence[str]]) -> None:
    losses = {path: {name for name in names if name.startswith("val/")} for path, names in metrics.items()}
    usual = Counter(map(frozenset, losses.values())).most_common(1)[0][0] if losses else frozenset()
    for path, names in losses.items():
        if names != usual:
            told = [f"lacks {name}" for name in sorted(usual - names)]
            told += [f"has {name}" for name in sorted(names - usual)]
            raise InputError(
                f"{path}: {' and '.join(told)}, unlike the other runs, so their validation losses cannot be compared; "
                "mend its first line, or move the run away"
            )


def curves(table: Table) -> pd.DataFrame:
    """Every value of every run, one per row.

    Returns:
        Columns rate, seed, epoch, metric, value, and in a cross-validation fold after seed; sorted by rate, seed,
        fold, then as in `results.csv`.
    """
    runs = sorted(sorted(table.results), key=lambda run: run.rate)
    blocks = [table.results[run] for run in runs]
    sizes = np.array([block.matrix.size for block in blocks], dtype=np.int64)
    codes = {name: code for code, name in enumerate(table.metrics)}
    metric = [
        np.repeat(np.array([codes[name] for name in block.metrics], np.int16), len(block.epochs)) for block in blocks
    ]
    return pd.DataFrame(
        {
            "rate": np.repeat(np.array([run.rate for run in runs], dtype=np.float64), sizes),
            "seed": np.repeat(np.array([run.seed for run in runs], dtype=np.int64), sizes),
            **_fold_column(runs, sizes),
            "epoch": _joined([np.tile(block.epochs, len(block.metrics)) for block in blocks], np.int64),
            "metric": pd.Categorical.from_codes(_codes(metric), categories=pd.Index(table.metrics)),
            "value": _joined([block.matrix.ravel(order="F") for block in blocks], np.float64),
        }
    )


def _fold_column(runs: Sequence[Run], sizes: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    folds = [run.fold for run in runs if run.fold is not None]
    return {"fold": np.repeat(np.array(folds, dtype=np.int64), sizes)} if folds else {}


def _codes(parts: Sequence[NDArray[np.integer[Any]]]) -> NDArray[np.int16]:
    codes: NDArray[np.int16] = _joined(parts, np.int16)
    return codes


def _joined(parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.empty(0, dtype)


def score_of(results: Results, score: Score) -> float:
    """One number for one run; nan when the training diverged there.

    Raises:
        InputError: The run lacks the metric.
    """
    curve = results.curve(score.metric)
    if score.at == "best":
        value = curve[results.best_row]
    elif score.at == "last":
        value = curve[-score.k :].mean()
    else:
        finite = curve[np.isfinite(curve)]
        extreme = min if score.at == "min" else max
        value = extreme(finite, default=math.nan)
    return float(value) if math.isfinite(value) else math.nan


def scores(
    table: Table, score: Score, rates: Iterable[float], seeds: Iterable[int], folds: int | None = None
) -> pd.DataFrame:
    """The score of every run.

    Args:
        table: The runs' results.
        score: How a curve becomes a number.
        rates: The columns, of which the first is the control.
        seeds: The rows.
        folds: In a cross-validation, how many rows each seed has.

    Returns:
        One row per seed (the index), or per seed and fold, and one column per rate; nan where a run is missing or
        has diverged.

    Raises:
        InputError: The runs lack the metric.
    """
    return by_block(table, lambda results: score_of(results, score), rates, seeds, folds)


def by_block(
    table: Table,
    value: Callable[[Results], float],
    rates: Iterable[float],
    seeds: Iterable[int],
    folds: int | None = None,
) -> pd.DataFrame:
    """Any number per run, arranged as `scores` are; see there."""
    rates = list(rates)
    blocks = [(seed, fold) for seed in seeds for fold in ((None,) if folds is None else range(folds))]
    found = [[table.results.get(Run(seed, rate, fold)) for rate in rates] for seed, fold in blocks]
    cells = [[math.nan if results is None else value(results) for results in row] for row in found]
    return pd.DataFrame(
        np.array(cells, dtype=np.float64).reshape(len(blocks), len(rates)),
        index=pd.MultiIndex.from_tuples(blocks, names=["seed", "fold"])
        if folds
        else pd.Index([seed for seed, _ in blocks], name="seed", dtype=np.int64),
        columns=pd.Index(rates, name="rate", dtype=np.float64),
    )


def folds_of(scores: pd.DataFrame) -> NDArray[np.int64] | None:
    """The fold of each row of scores, as `decide` takes it; None outside a cross-validation."""
    if "fold" not in scores.index.names:
        return None
    return scores.index.get_level_values("fold").to_numpy(dtype=np.int64)

"""What figures and page draw, taken from tidy curves and scores: pure functions on DataFrames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from yolo_dropout.base.text import CONTROL, Label, is_control
from yolo_dropout.decision import Verdict
from yolo_dropout.folder.results_csv import VAL_LOSS
from yolo_dropout.spec.runs import block_name

Curve: TypeAlias = "pd.Series[float]"


def labels_of(curves: pd.DataFrame) -> list[Label]:
    """The treatments of tidy curves in order, by rate or by name; the control first, also where it has no curve."""
    column = curves.iloc[:, 0]
    if isinstance(column.dtype, pd.CategoricalDtype):
        return list(column.cat.categories)
    return sorted({0.0, *map(float, column.unique())})


def by_run(curves: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric as a table of epochs by runs.

    Returns:
        Index epoch (ascending), columns (rate or treatment, seed), or these and fold, in order; infinite values and
        missing epochs are NaN, runs without any finite value are left out. Empty if the metric is absent.
    """
    keys = [str(name) for name in curves if name in ("rate", "treatment", "seed", "fold")]
    chosen = curves[curves["metric"] == metric]
    finite = chosen.assign(value=chosen["value"].where(np.isfinite(chosen["value"])))
    table = finite.pivot(index="epoch", columns=keys, values="value")  # noqa: PD010 - pivot_table takes far longer
    return table.dropna(axis=1, how="all")


def block_names(scores: pd.DataFrame) -> list[str]:
    """The name of each row of scores."""
    return [block_name(*block) for block in scores.index.to_frame().itertuples(index=False, name=None)]


def run_keys(runs: pd.DataFrame) -> list[tuple[Label, str]]:
    """Treatment and block of every column of `by_run`'s table."""
    columns: list[Any] = runs.columns.to_list()
    return [(label, block_name(*block)) for label, *block in columns]


def means_of(runs: pd.DataFrame) -> dict[Label, Curve]:
    """Mean over blocks by treatment, only at epochs that every block of it has.

    A mean over fewer of them late in training would jump for no reason but that a run had stopped. A treatment with
    other blocks than the control gets the control's mean plus their mean difference, as in `paired_means`.
    """
    labels: list[Label] = runs.columns.get_level_values(0).unique().to_list()
    tables = {label: pd.DataFrame(runs[label]) for label in labels}
    means = {label: table.mean(axis=1, skipna=False) for label, table in tables.items()}
    control = next((label for label in labels if is_control(label)), CONTROL)
    of_control = tables.get(control, pd.DataFrame())
    for label, table in tables.items():
        both = table.columns.intersection(of_control.columns)
        if len(both) and not table.columns.equals(of_control.columns):
            means[label] = means[control] + (table[both] - of_control[both]).mean(axis=1, skipna=False)
    return means


def paired_means(scores: pd.DataFrame) -> dict[Label, float]:
    """Mean score by treatment, such that what is better within blocks is better on average too.

    Where one lacks runs, its plain mean is over other blocks than the control's, and their luck would count as its
    own: it gets the control's mean plus the mean difference within the blocks that hold both.

    Args:
        scores: Index seed, or seed and fold; one column per treatment, the control first; NaN where a run is missing.
    """
    table = scores.replace([np.inf, -np.inf], np.nan).astype(float)
    labels: list[Any] = table.columns.to_list()
    control, means = table[labels[0]], {label: float(table[label].mean()) for label in labels}
    for label in labels:
        gain = table[label] - control
        # One value per block of a verdict: the seeds of a fold count as one.
        difference = float((gain.groupby(level="fold").mean() if "fold" in gain.index.names else gain).mean())
        if np.isfinite(difference) and not table[label].notna().equals(control.notna()):
            means[label] = means[labels[0]] + difference
    return means


def paired_limits(means: Mapping[Label, float], verdict: Verdict, *, higher: bool) -> dict[Label, tuple[float, float]]:
    """By treatment: the limits of the paired improvement, laid off from the control's mean, lower first.

    `means` are those of `paired_means` for the scores of the verdict.
    """
    control, *others = means
    base, shown = means[control], verdict.shown
    return {
        label: (base + c.low, base + c.high) if higher else (base - c.high, base - c.low)
        for label, c in zip(others, verdict.comparisons, strict=True)
        if c in shown and c.low is not None and c.high is not None
    }


def best_epoch(curve: Curve, *, lower: bool = True) -> tuple[float, float] | None:
    """Epoch and value of a curve's best point, or None for a curve without finite values."""
    finite = curve.dropna()
    if finite.empty:
        return None
    place = int(finite.to_numpy().argmin() if lower else finite.to_numpy().argmax())
    return float(finite.index.to_numpy()[place]), float(finite.iloc[place])


def loss_parts(curves: pd.DataFrame) -> list[str]:
    """The validation losses that `val/loss` is the sum of, without those that are always 0.

    Empty when there is only one (classification), which would show the same curve again.
    """
    losses = curves[curves["metric"].str.startswith("val/") & (curves["metric"] != VAL_LOSS)]
    sizes = losses.assign(size=losses["value"].abs().replace(np.inf, np.nan))
    largest = sizes.groupby("metric", sort=False, observed=True)["size"].max()
    return [str(name) for name in largest.index[largest > 0]] if (largest > 0).sum() > 1 else []

"""What figures and page draw, taken from tidy curves and scores: pure functions on DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from yolo_dropout.folder.results_csv import VAL_LOSS
from yolo_dropout.spec.runs import block_name

if TYPE_CHECKING:
    from yolo_dropout.decision import Verdict

    Curve: TypeAlias = "pd.Series[float]"


def by_run(curves: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric as a table of epochs by runs.

    Returns:
        Index epoch (ascending), columns (rate, seed), or (rate, seed, fold), in ascending order; infinite values
        and missing epochs are NaN, runs without any finite value are left out. Empty if the metric is absent.
    """
    chosen = curves[curves["metric"] == metric]
    # Filled by place: pivot_table takes several times as long, and a study has thousands of runs.
    keys = [name for name in ("rate", "seed", "fold") if name in curves]
    row, epochs = pd.factorize(chosen["epoch"], sort=True)
    factors = [pd.factorize(chosen[key], sort=True) for key in keys]
    columns = pd.MultiIndex.from_product([levels for _, levels in factors], names=keys)
    values = chosen["value"].to_numpy(dtype=float)
    table = np.full((len(epochs), len(columns)), np.nan)
    if len(columns):
        run = np.ravel_multi_index([codes for codes, _ in factors], [len(levels) for _, levels in factors])
        table[row, run] = np.where(np.isfinite(values), values, np.nan)
    return pd.DataFrame(table, pd.Index(epochs, name="epoch"), columns).dropna(axis=1, how="all")


def block_names(scores: pd.DataFrame) -> list[str]:
    """The name of each row of scores."""
    return [block_name(*block) for block in scores.index.to_frame().itertuples(index=False, name=None)]


def run_keys(runs: pd.DataFrame) -> list[tuple[float, str]]:
    """Rate and block of every column of `by_run`'s table."""
    columns: list[Any] = runs.columns.to_list()
    return [(float(rate), block_name(*block)) for rate, *block in columns]


def mean_by_rate(runs: pd.DataFrame) -> dict[float, Curve]:
    """Mean over blocks, only at epochs that every block of the rate has.

    A mean over fewer of them late in training would jump for no reason but that a run had stopped. A rate with other
    blocks than the control gets the control's mean plus their mean difference, as in `paired_means`.
    """
    rates = dict.fromkeys(float(rate) for rate in runs.columns.get_level_values(0))
    tables = {rate: pd.DataFrame(runs[rate]) for rate in rates}
    means = {rate: table.mean(axis=1, skipna=False) for rate, table in tables.items()}
    control = tables.get(0.0, pd.DataFrame())
    for rate, table in tables.items():
        both = table.columns.intersection(control.columns)
        if len(both) and not table.columns.equals(control.columns):
            means[rate] = means[0.0] + (table[both] - control[both]).mean(axis=1, skipna=False)
    return means


def paired_means(scores: pd.DataFrame) -> dict[float, float]:
    """Mean score by rate, such that what is better within blocks is better on average too.

    Where a rate lacks runs, its plain mean is over other blocks than the control's, and their luck would count as its
    own: it gets the control's mean plus the mean difference within the blocks that hold both.

    Args:
        scores: Index seed, or seed and fold; one column per rate, the control among them; NaN where a run is missing.
    """
    table = scores.replace([np.inf, -np.inf], np.nan).astype(float)
    control, means = table[0.0], {float(rate): float(table[rate].mean()) for rate in table.columns.to_list()}
    for rate in means:
        gain = table[rate] - control
        # One value per block of a verdict: the seeds of a fold count as one.
        difference = float((gain.groupby(level="fold").mean() if "fold" in gain.index.names else gain).mean())
        if np.isfinite(difference) and not table[rate].notna().equals(control.notna()):
            means[rate] = means[0.0] + difference
    return means


def paired_limits(control: float, verdict: Verdict, *, higher: bool) -> dict[float, tuple[float, float]]:
    """By rate: the simultaneous limits of the paired improvement, laid off from the control's mean, the lower first."""
    return {
        c.rate: (control + c.low, control + c.high) if higher else (control - c.high, control - c.low)
        for c in verdict.shown
        if c.low is not None and c.high is not None
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

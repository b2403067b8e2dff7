"""Tables of what was measured under shift: read from files, and summed up by Michaelis et al. 2019."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from yolo_dropout.shift.sets import CLEAN, CORRUPTIONS, SETS, Pass, group_of, members

COLUMNS = ["corruption", "group", "severity", "metric", "value"]


def as_table(rows: Iterable[tuple[Pass, Mapping[str, float]]]) -> pd.DataFrame:
    """Metrics by pass as one table: columns corruption, group, severity, metric, value."""
    cells = [
        (what.corruption, group_of(what.corruption), what.severity, metric, value)
        for what, metrics in rows
        for metric, value in metrics.items()
    ]
    return pd.DataFrame(cells, columns=pd.Index(COLUMNS))


def merged(table: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """Two tables of one model as one, in the order of the sets, whichever came first."""
    order = {name: place for place, name in enumerate((CLEAN, *CORRUPTIONS))}
    joined = pd.concat([table, more], ignore_index=True) if len(table) else more
    places = joined["corruption"].map(order), joined["severity"]
    return joined.iloc[np.lexsort(places[::-1])].reset_index(drop=True)


def read_shift(file: Path) -> pd.DataFrame:
    """A table from its file; empty where that is missing or holds something else, and is to be measured."""
    try:
        table = pd.read_csv(file, dtype={"severity": "int64", "value": "float64"})
    except (OSError, ValueError):  # what pandas raises of a file that is no such table is a ValueError
        return as_table(())
    return table if list(table.columns) == COLUMNS else as_table(())


def passes_in(table: pd.DataFrame) -> set[Pass]:
    """The passes that a table holds."""
    return {Pass(*row) for row in table[["corruption", "severity"]].itertuples(index=False, name=None)}


def shifted_mean(values: pd.Series[float], within: str = "") -> float:
    """mPC: the mean over corruptions of their means over severities.

    Args:
        values: One metric of one model, by corruption and severity; the clean pass counts for nothing.
        within: A set, a single corruption, or `none` for the clean pass; by default all but that.
    """
    names = values.index.get_level_values("corruption")
    inside = names.isin((CLEAN,) if within == CLEAN else members(within)) if within else names != CLEAN
    return float(values[inside].groupby(level="corruption").mean().mean())


def summed_up(table: pd.DataFrame) -> pd.DataFrame:
    """What a table comes to.

    Returns:
        Columns metric; set (`all`, then the groups that are there); P, the clean value; mPC, the mean over corruptions
        and severities; rPC = mPC / P, NaN for losses, which have no such share, and where P is 0.
    """
    groups = [name for name in SETS if name in set(table["group"])]
    rows = []
    for metric, own in table.groupby("metric", sort=False):
        values = own.set_index(["corruption", "severity"])["value"]
        clean = float(values.get((CLEAN, 0), float("nan")))
        for within in ("", *groups):
            mean = shifted_mean(values[(own["group"] == within).to_numpy()] if within else values)
            share = mean / clean if clean and str(metric).startswith("metrics/") else float("nan")
            rows.append((str(metric), within or "all", clean, mean, share))
    return pd.DataFrame(rows, columns=pd.Index(["metric", "set", "P", "mPC", "rPC"]))

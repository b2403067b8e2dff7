"""What a command prints of a finished study."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from yolo_dropout.base.text import printable
from yolo_dropout.report.cautions import grave_warnings
from yolo_dropout.report.publish import report_data
from yolo_dropout.results.collect import StudyResults


def tell(console: Console, study: StudyResults) -> None:
    """Print the table of rates, what failed, the verdict, and where the files are."""
    data = report_data(study)
    console.print(_rates(study))
    if study.scores.isna().any(axis=None) and study.verdict.n_seeds:
        console.print(
            f"not every {data.block} has all rates: "
            f"means are over a rate's own runs, differences within a {data.block}",
            highlight=False,
        )
    for record in study.failed:
        line = f"failed: rate {record.rate:g} {record.run.block}: {record.error}"
        console.print(escape(printable(line)), style="red", highlight=False, soft_wrap=True)
    if study.failed:
        console.print("the same command with --retry-failed trains these again", highlight=False)
    for note in (*study.notes, *grave_warnings(data)):
        console.print(escape(printable(note)), style="yellow", highlight=False, soft_wrap=True)
    console.print()
    console.print(f"[bold]{escape(printable(study.verdict.reason))}", highlight=False)
    if study.agreement:
        console.print()
        console.print(escape(printable(study.agreement)), highlight=False)
    console.print()
    console.print(f"Report and tables: {_place(study)}", highlight=False, soft_wrap=True, markup=False)


def new_seeds(study: StudyResults) -> str:
    """How to train the seeds that an undecided verdict asks for; empty where it asks for none, or runs are missing."""
    verdict, needed = study.verdict, study.verdict.seeds_needed
    judged = all(comparison.judged for comparison in verdict.comparisons)
    if verdict.decided or not needed or study.spec.until_decided or study.missing or not judged:
        return ""
    first = max(study.spec.seeds) + 1
    seeds = f"{first}-{first + needed - 1}"
    out = shlex.quote(f"{_place(study)}-seeds-{seeds}")
    return f"New seeds: the same command with --seeds {seeds} --out {out}"


def _place(study: StudyResults) -> str:
    path, here = study.folder.path, Path.cwd()
    return printable(str(path.relative_to(here) if path.is_relative_to(here) and path != here else path))


def _rates(study: StudyResults) -> Table:
    headline = study.table.headline
    table = Table(
        "rate", "runs", escape(printable(str(study.score))), "better than 0.0 by", "gap", box=None, header_style="bold"
    )
    if headline:
        table.add_column(headline.removeprefix("metrics/"))
    for column in table.columns:
        column.justify = "right"
    gains = {comparison.rate: comparison for comparison in study.verdict.comparisons}
    for row in study.summary.to_dict("records"):
        comparison = gains.get(row["rate"])
        gain = comparison and comparison.difference
        cells = [
            f"{row['rate']:g}",
            str(row["n"]),
            f"{_number(row['mean'])} ± {_number(row['sd'])}" if row["n"] > 1 else _number(row["mean"]),
            "" if gain is None else f"{gain:+.3g}",
            _number(row["gap"]),
            *([_number(row["metric_mean"])] if headline else []),
        ]
        table.add_row(*cells, style="bold" if row["rate"] == study.verdict.rate and study.verdict.decided else "")
    return table


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"

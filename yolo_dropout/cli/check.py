"""`yolo-dropout check MODEL`: where dropout would act, stock and ours."""

from __future__ import annotations

import logging
from argparse import Namespace

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from yolo_dropout.cli.output import FINISHED
from yolo_dropout.training import check_model


def check(options: Namespace) -> int:
    """Print a table of sites, and what to mind about them."""
    logging.disable(logging.INFO)  # Ultralytics sums up every model that it builds
    rows = check_model(options.model, options.where, options.kind)
    table = Table("module", "branch", "channels", "stock dropout=", "ours", box=None, header_style="bold")
    for row in rows:
        channels = "" if row.channels is None else str(row.channels)
        acts = ["acts" if acting else "–" for acting in (row.stock_acts, row.ours_acts)]
        table.add_row(escape(row.module), row.branch, channels, *acts)
    console = Console()
    console.print(table)
    for warning in dict.fromkeys(f"{row.branch}: {row.warning}" for row in rows if row.warning):
        console.print(f"mind: {warning}", style="yellow", markup=False, highlight=False)
    return FINISHED

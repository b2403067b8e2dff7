"""`yolo-dropout check MODEL`: where dropout would act, stock and ours."""

from __future__ import annotations

from argparse import Namespace

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from yolo_dropout.cli import FINISHED
from yolo_dropout.training import check_model


def check(options: Namespace) -> int:
    """Print a table of sites.

    Returns:
        0.

    Raises:
        YoloDropoutError: The model cannot be loaded, or has no such sites.
    """
    rows = check_model(options.model, options.where, options.kind)
    console = Console()
    table = Table("module", "branch", "channels", "stock acts", "ours acts", "mind", box=None, header_style="bold")
    for row in rows:
        acts = ["yes" if acting else "no" for acting in (row.stock_acts, row.ours_acts)]
        table.add_row(escape(row.module), row.branch, str(row.channels), *acts, row.warning or "")
    console.print(table)
    return FINISHED

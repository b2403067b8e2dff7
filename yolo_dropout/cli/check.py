"""`yolo-dropout check MODEL`: where dropout would act, stock and ours."""

from __future__ import annotations

from argparse import Namespace

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from yolo_dropout.cli.output import FINISHED
from yolo_dropout.training import check_model
from yolo_dropout.training.models import quiet


def check(options: Namespace) -> int:
    """Print a table of sites, and what to mind about them."""
    with quiet("WARNING"):  # Ultralytics sums up every model that it builds
        found = check_model(options.model, options.where, options.kind)
    table = Table("module", "branch", "channels", "stock dropout=", "ours", box=None, header_style="bold")
    for site, *acting in found:
        channels = "" if site.channels is None else str(site.channels)
        table.add_row(escape(site.name), site.branch, channels, *("acts" if acts else "–" for acts in acting))
    console = Console()
    console.print(table)
    warned = (f"{site.branch}: {'; '.join(site.warnings)}" for site, *_ in found if site.warnings)
    for warning in dict.fromkeys(warned):
        console.print(f"mind: {warning}", style="yellow", markup=False, highlight=False)
    return FINISHED

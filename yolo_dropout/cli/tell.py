"""What a command prints of a finished study."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from yolo_dropout.base.files import working_folder
from yolo_dropout.base.platform import command_line
from yolo_dropout.base.text import printable
from yolo_dropout.report.cautions import grave_warnings
from yolo_dropout.report.notebook import rate_table
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.results.new_images import in_words


def tell(console: Console, study: StudyResults) -> None:
    """Print the table of treatments, what failed, the verdict, and where the files are."""

    def say(text: str, style: str | None = None, *, wrap: bool = True) -> None:
        console.print(escape(printable(text)), style=style, highlight=False, soft_wrap=not wrap)

    console.print(_rates(study))
    if study.scores.isna().any(axis=None) and study.verdict.n_seeds:
        means = f"means are over a {study.verdict.noun}'s own runs, differences within a {study.block}"
        say(f"not every {study.block} has all {study.verdict.noun}s: {means}")
    for record in study.failed:
        say(f"failed: {record.run}: {record.error}", "red", wrap=False)
    if study.failed:
        say("the same command with --retry-failed trains these again")
    for note in (*study.notes, *grave_warnings(study)):
        say(note, "yellow", wrap=False)
    console.print()
    say(study.verdict.reason, "bold")
    if study.agreement:
        console.print()
        say(study.agreement)
    if told := in_words(study):
        console.print()
        say(told)
    console.print()
    say(f"Report and tables: {_place(study)}", wrap=False)


def new_seeds(study: StudyResults) -> str:
    """How to train the seeds that an undecided verdict asks for; empty where it asks for none, or runs are missing.

    They come to these where that was planned, and else to a study of their own.
    """
    verdict, needed, own = study.verdict, study.verdict.seeds_needed, study.spec.seeds
    judged = all(comparison.judged for comparison in verdict.comparisons)
    if verdict.decided or not needed or study.spec.until_decided or study.missing or not judged:
        return ""
    first, planned = own[-1] + 1, study.spec.max_seeds or 0
    if needed <= planned:
        last = own[-1] + planned - len(own)
        consecutive = own[-1] - own[0] == len(own) - 1
        seeds = f"{own[0]}-{last}" if consecutive else f"{' '.join(map(str, own))} {first}-{last}"
        return f"More seeds: the same command with --seeds {seeds}"
    seeds = f"{first}-{first + needed - 1}"
    out = command_line([f"{_place(study)}-seeds-{seeds}"])
    return f"New seeds: the same command with --seeds {seeds} --out {out}"


def _place(study: StudyResults) -> str:
    path, here = study.folder.path, working_folder()
    return printable(str(path.relative_to(here) if path.is_relative_to(here) and path != here else path))


def _rates(study: StudyResults) -> Table:
    cells_of, verdict = rate_table(study), study.verdict
    table = Table(*map(escape, cells_of.columns), box=None, header_style="bold")
    for column in table.columns:
        column.justify = "right"
    for name, *cells in cells_of.to_numpy().tolist():
        table.add_row(escape(name), *cells, style="bold" if verdict.decided and name == verdict.treatment else "")
    return table

"""A study as values -> the files people open: tables, verdict, pictures, report."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from yolo_dropout.base.files import atomic_path, write_json, write_text
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.report import ReportData, render_report
from yolo_dropout.report.figures import study_figures, to_png, to_svg
from yolo_dropout.results.collect import StudyResults

# More rows of `curves.csv` than this are written another way, and so many at a time.
MANY_ROWS = 250_000
_ROWS_AT_A_TIME = 500_000


def publish(study: StudyResults) -> None:
    """Write everything that is derived from a study's runs, each file atomically.

    Raises:
        StudyFolderError: A file cannot be written.
    """
    publish_tables(study)
    pictures = publish_figures(study)
    write_text(study.folder.report, render_report(report_data(study), pictures=pictures))


def publish_tables(study: StudyResults) -> None:
    """Write curves, scores, summary and verdict.

    They hold neither dates nor durations: the same runs give the same bytes.

    Raises:
        StudyFolderError: A file cannot be written.
    """
    with atomic_path(study.folder.table("curves")) as path:
        write_curves(path, study.curves)
    write_text(study.folder.table("summary"), study.summary.to_csv(index=False, lineterminator="\n"))
    write_text(study.folder.table("scores"), study.scores.to_csv(lineterminator="\n"))
    scores = [score.as_dict() for score in study.other_scores]
    more = {"score": str(study.score), "agreement": study.agreement, "others": scores}
    write_json(study.folder.verdict, study.verdict.as_dict() | more)


def write_curves(path: Path, curves: pd.DataFrame) -> None:
    """Write tidy curves as CSV; what is not a number is left empty, and infinite values are `inf`."""
    if len(curves) > MANY_ROWS:
        write_many_rows(path, curves)
    else:
        curves.to_csv(path, index=False, lineterminator="\n")


def write_many_rows(path: Path, curves: pd.DataFrame) -> None:
    """As `write_curves`, with polars: ten times as fast for many rows, in parts that keep its copies small.

    For no fewer rows, since its threads do not survive a fork, and who calls from a script may fork afterwards.
    """
    import polars

    with path.open("wb") as stream:
        for start in range(0, max(1, len(curves)), _ROWS_AT_A_TIME):
            part = curves.iloc[start : start + _ROWS_AT_A_TIME]
            columns = {str(name): part[name].to_numpy() for name in part if name != "metric"}
            names = polars.Series(part["metric"].cat.categories.to_list(), dtype=polars.String)
            metric = names.gather(part["metric"].cat.codes.to_numpy().astype("uint32"))
            frame = polars.DataFrame(columns).with_columns(metric.alias("metric"), polars.col("value").fill_nan(None))
            frame.select(curves.columns.to_list()).write_csv(stream, include_header=start == 0)


def publish_figures(study: StudyResults) -> dict[str, str]:
    """Write the pictures, PNG and SVG.

    Returns:
        The pictures as SVG texts, by name.

    Raises:
        StudyFolderError: A file cannot be written.
    """
    drawn = dict[str, str]()
    for stem, figure in figures_of(study).items():
        with atomic_path(study.folder.figures / f"{stem}.png") as path:
            path.write_bytes(to_png(figure))
        drawn[stem] = to_svg(figure, stem)
        write_text(study.folder.figures / f"{stem}.svg", drawn[stem])
    return drawn


def figures_of(study: StudyResults) -> dict[str, Figure]:
    """The pictures by name, as matplotlib figures."""
    return study_figures(study.curves, study.scores, study.gaps, study.verdict, study.branch_note, score=study.score)


def report_data(study: StudyResults) -> ReportData:
    """The study as its report needs it."""
    return ReportData(
        title=study.title,
        verdict=study.verdict,
        curves=study.curves,
        scores=study.scores,
        summary=study.summary,
        others=tuple(study.other_scores),
        score=study.score,
        records=tuple(_record(study, record) for record in study.records),
        planned=len(study.due) if study.ours else 0,
        asked=study.spec.as_dict(),
        prepared=study.prepared,
        notes=study.notes,
        versions=study.prepared.get("versions", {}),
        command=_command(study),
        branch_note=study.branch_note,
        files={name: name for name in ("curves.csv", "scores.csv", "summary.csv", "verdict.json")},
        ours=study.ours,
    )


def _record(study: StudyResults, record: RunRecord) -> dict[str, Any]:
    folder = study.folder.run(record.run.name).path
    where = {"folder": folder.relative_to(study.folder.path).as_posix()} if study.ours else {}
    return vars(record) | where


def _command(study: StudyResults) -> str:
    if not study.ours:
        return ""
    return shlex.join(["yolo-dropout", "sweep", "--config", str(study.folder.spec), "--out", str(study.folder.path)])

"""A study as values -> the files people open: tables, verdict, pictures, report."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

from yolo_dropout.collect import Study
from yolo_dropout.figures import to_png, to_svg
from yolo_dropout.files import atomic_path, write_json, write_text
from yolo_dropout.records import RunRecord
from yolo_dropout.report import ReportData, render_report


def publish(study: Study) -> None:
    """Write everything that is derived from a study's runs, each file atomically.

    Raises:
        StudyFolderError: A file cannot be written.
    """
    publish_tables(study)
    publish_figures(study)
    write_text(study.folder.report, render_report(report_data(study)))


def publish_tables(study: Study) -> None:
    """Write curves, scores, summary and verdict.

    They hold neither dates nor durations: the same runs give the same bytes.

    Raises:
        StudyFolderError: A file cannot be written.
    """
    for name, table in {"curves": study.curves, "summary": study.summary}.items():
        write_text(study.folder.table(name), table.to_csv(index=False, lineterminator="\n"))
    write_text(study.folder.table("scores"), study.scores.to_csv(lineterminator="\n"))
    scores = [score.as_dict() for score in study.other_scores]
    more = {"score": str(study.score), "agreement": study.agreement, "others": scores}
    write_json(study.folder.verdict, study.verdict.as_dict() | more)


def publish_figures(study: Study) -> None:
    """Write the pictures, PNG and SVG.

    Raises:
        StudyFolderError: A file cannot be written.
    """
    for stem, figure in study.figures().items():
        with atomic_path(study.folder.figures / f"{stem}.png") as path:
            path.write_bytes(to_png(figure))
        write_text(study.folder.figures / f"{stem}.svg", to_svg(figure, stem))


def report_data(study: Study) -> ReportData:
    """The study as its report needs it."""
    return ReportData(
        title=f"{study.spec.model_name} on {study.spec.data_name}",
        verdict=study.verdict,
        curves=study.curves,
        scores=study.scores,
        summary=study.summary,
        others=tuple(study.other_scores),
        score=str(study.score),
        higher_is_better=study.score.higher_is_better,
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


def _record(study: Study, record: RunRecord) -> dict[str, Any]:
    folder = study.folder.run(record.run.name).path
    where = {"folder": folder.relative_to(study.folder.path).as_posix()} if study.ours else {}
    return asdict(record) | where


def _command(study: Study) -> str:
    if not study.ours:
        return ""
    return shlex.join(["yolo-dropout", "sweep", "--config", str(study.folder.spec), "--out", str(study.folder.path)])

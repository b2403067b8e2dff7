"""A study as values -> the files people open: tables, verdict, pictures."""

from __future__ import annotations

from yolo_dropout.collect import Study
from yolo_dropout.figures import to_png, to_svg
from yolo_dropout.files import atomic_path, write_json, write_text


def publish(study: Study) -> None:
    """Write everything that is derived from a study's runs, each file atomically.

    Raises:
        StudyFolderError: A file cannot be written.
    """
    publish_tables(study)
    publish_figures(study)


def publish_tables(study: Study) -> None:
    """Write curves, scores, summary and verdict.

    They hold neither dates nor durations: the same runs give the same bytes.

    Raises:
        StudyFolderError: A file cannot be written.
    """
    for name, table in {"curves": study.curves, "summary": study.summary}.items():
        write_text(study.folder.table(name), table.to_csv(index=False, lineterminator="\n"))
    write_text(study.folder.table("scores"), study.scores.to_csv(lineterminator="\n"))
    write_json(study.folder.verdict, study.verdict.as_dict() | {"score": str(study.score)})


def publish_figures(study: Study) -> None:
    """Write the pictures, PNG and SVG.

    Raises:
        StudyFolderError: A file cannot be written.
    """
    for stem, figure in study.figures().items():
        with atomic_path(study.folder.figures / f"{stem}.png") as path:
            path.write_bytes(to_png(figure))
        write_text(study.folder.figures / f"{stem}.svg", to_svg(figure, stem))

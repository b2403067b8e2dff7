"""A study as values -> the files people open: tables, verdict, pictures, report."""

from __future__ import annotations

from yolo_dropout.base.files import atomic_path, write_json, write_text
from yolo_dropout.report.figures import PHOTOGRAPHS, card, figures_of
from yolo_dropout.report.figures.render import to_card, to_inline_jpeg, to_png, to_svg
from yolo_dropout.report.page import render_report
from yolo_dropout.results.by_run import classes_of
from yolo_dropout.results.calibration import calibration_of
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.results.shift import shift_of


def publish(study: StudyResults) -> None:
    """Write everything that is derived from a study's runs, each file atomically or a `StudyFolderError` is raised."""
    publish_tables(study)
    drawn = dict[str, str]()
    for stem, figure in figures_of(study).items():
        with atomic_path(study.folder.figures / f"{stem}.png") as path:
            path.write_bytes(to_png(figure))
        if stem in PHOTOGRAPHS:
            drawn[stem] = to_inline_jpeg(figure)
            continue
        drawn[stem] = to_svg(figure, stem)
        write_text(study.folder.figures / f"{stem}.svg", drawn[stem])
    with atomic_path(study.folder.figures / "card.png") as path:
        path.write_bytes(to_card(card(study)))
    (study.folder.path / "report.pdf").unlink(missing_ok=True)  # of an earlier state; --pdf prints it anew
    write_text(study.folder.report, render_report(study, pictures=drawn))


def publish_tables(study: StudyResults) -> None:
    """Write curves, scores, summary and verdict, without dates and durations: the same runs give the same bytes."""
    with atomic_path(study.folder.table("curves")) as path:
        study.curves.to_csv(path, index=False, lineterminator="\n")
    write_text(study.folder.table("summary"), study.summary.to_csv(index=False, lineterminator="\n"))
    write_text(study.folder.table("scores"), study.scores.to_csv(lineterminator="\n"))
    if study.table.shifted:
        write_text(study.folder.table("shift"), shift_of(study).to_csv(index=False, lineterminator="\n"))
    if len(calibration := calibration_of(study)):
        write_text(study.folder.table("calibration"), calibration.to_csv(index=False, lineterminator="\n"))
    if len(classes := classes_of(study)):
        write_text(study.folder.table("classes"), classes.to_csv(index=False, lineterminator="\n"))
    if len(images := study.on_images):
        write_text(study.folder.table("new_images"), images.to_csv(index=False, lineterminator="\n"))
    others = [score.as_dict() for score in study.other_scores]
    more = {"score": str(study.score), "agreement": study.agreement, "others": others}
    write_json(study.folder.verdict, study.verdict.as_dict() | more)

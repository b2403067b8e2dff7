"""`yolo-dropout report`: tables, pictures and report anew, from a study or from plain Ultralytics runs."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from yolo_dropout.collect import Study, load_study
from yolo_dropout.commands.tell import tell
from yolo_dropout.errors import InputError
from yolo_dropout.exit_codes import FINISHED
from yolo_dropout.foreign import load_foreign_runs
from yolo_dropout.layout import StudyFolder
from yolo_dropout.publish import publish
from yolo_dropout.score import Score

_ELSEWHERE = Path("runs") / "dropout" / "report"


def report(options: Namespace) -> int:
    """Rebuild everything that is derived from runs.

    Returns:
        0.

    Raises:
        YoloDropoutError: The folders hold no runs that can be compared.
    """
    study = _load(options)
    publish(study)
    tell(Console(), study)
    return FINISHED


def _load(options: Namespace) -> Study:
    paths = [Path(folder) for folder in options.folders]
    for path in paths:
        if not path.is_dir():
            raise InputError(f"{path}: is no folder; give a study or run folders of Ultralytics")
    studies = [path for path in paths if StudyFolder(path).spec.exists()]
    if studies and len(paths) > 1:
        raise InputError(f"{studies[0]}: is a study; give one study, or run folders only")
    if studies:
        return _restyled(load_study(studies[0]), options)
    out = Path(options.out) if options.out else _ELSEWHERE
    return load_foreign_runs(paths, out.resolve(), options.score or "val/loss")


def _restyled(study: Study, options: Namespace) -> Study:
    if options.score and study.spec.until_decided:  # which runs there are went by another score
        shown = str(Score.parse(options.score))
        note = f"seeds were added and rates dropped by {study.spec.score}: {shown} is judged beside it"
        study = replace(study, shown=shown, notes=(*study.notes, note))
    elif options.score:
        study = replace(study, spec=replace(study.spec, score=options.score))
    return replace(study, folder=StudyFolder(Path(options.out).resolve())) if options.out else study

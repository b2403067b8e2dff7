"""What a study's checkpoints are asked for after the trainings, and image by image, in processes of their own."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from yolo_dropout.base.files import write_json, write_text
from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.executors import Job
from yolo_dropout.executors.local.executor import stream
from yolo_dropout.executors.local.shifting import checkpoints_of, on_gpu, one_device
from yolo_dropout.executors.resources import default_jobs
from yolo_dropout.folder.layout import RunFolder, StudyFolder
from yolo_dropout.shift.calibrated import calibrated
from yolo_dropout.shift.corruptions import library
from yolo_dropout.shift.examples import compare
from yolo_dropout.shift.per_image import COLUMNS, per_image
from yolo_dropout.shift.sets import SEVERITIES, Pass, passes_of
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.score import Score
from yolo_dropout.spec.study_spec import StudySpec

MOST_SEEDS = 5
_TOLD = {"images": "image by image", "calibration": "its calibration"}


def check_asked(
    spec: StudySpec, sets: Sequence[str], looks: Collection[str], measured: Collection[str | None] = ()
) -> tuple[Pass, ...]:
    """What a study's checkpoints are asked for, before anything is trained or read.

    Args:
        spec: The study's.
        sets: Of corruptions under which they are measured.
        looks: What else is asked for: `images`, image by image; `calibration`.
        measured: The options that had runs measured before.

    Returns:
        The corruptions and severities of these sets.

    Raises:
        SpecError: That cannot be measured here, or the score needs what nobody measures.
    """
    if "images" in looks and spec.folds is not None:
        raise SpecError("new-images: cannot go with folds, each of which has images of its own; leave it out")
    needed = Score.parse(spec.score).measured_by
    asked = {"--shift": bool(sets), "--calibration": "calibration" in looks}
    if needed and needed not in measured and not asked[needed]:
        raise SpecError(f"score: {spec.score} needs runs that are measured when they have ended; add {needed}")
    if sets:
        library()
    return passes_of(sets, SEVERITIES) if sets else ()


def looks_of(*, new_images: bool, calibration: bool) -> tuple[str, ...]:
    """What is written of each checkpoint, as `look` takes it."""
    return ("images",) * new_images + ("calibration",) * calibration


def look(
    folder: StudyFolder, spec: StudySpec, runs: Iterable[Run], looks: Iterable[str], tell: Callable[[str], None]
) -> None:
    """Write what the checkpoint of every run comes to beside it, where that was not done before.

    Args:
        folder: The study's.
        spec: What was asked.
        runs: Finished ones.
        looks: What to write: `images`, what it says of every validation image; `calibration`.
        tell: Takes a line on every run that is done.

    Raises:
        YoloDropoutError: The data cannot be used, or a process died.
    """
    runs = list(runs)
    for what in looks:
        left = [run for run in runs if not getattr(folder.run(run.name), what).is_file()]
        by_data: dict[str, list[tuple[RunFolder, Path]]] = {}
        for job, file in checkpoints_of(folder, spec, left, tell):
            by_data.setdefault(job.data, []).append((job.folder, file))
        for data, files in by_data.items():
            at_once = min(1 if on_gpu(spec.train) else default_jobs(), len(files))
            calls = [(what, files[first::at_once], data, one_device(spec)) for first in range(at_once)]
            with closing(stream(_looked, calls, log=folder.shift_log)) as found:
                for done, (run, text) in enumerate(found, start=1):
                    write_text(getattr(run, what), text)
                    tell(f"[{done}/{len(files)}] measured {run.path.name}: {_TOLD[what]}")


def _looked(
    what: str, share: Sequence[tuple[RunFolder, Path]], data: str, arguments: Mapping[str, Any]
) -> Iterator[tuple[RunFolder, str]]:
    measure: Any = {"images": per_image, "calibration": calibrated}[what]
    for i, found in measure([file for _, file in share], data, arguments):
        yield share[i][0], json.dumps(found) + "\n" if what == "calibration" else _csv(found)


def _csv(rows: Iterable[tuple[str, str, float]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *((*row[:2], f"{row[2]:.6g}") for row in rows)])
    return text.getvalue()


def find_examples(
    folder: StudyFolder,
    spec: StudySpec,
    runs: Iterable[Run],
    treatment: str,
    strip: Sequence[Pass],
    *,
    stopped: Callable[[], bool],
) -> None:
    """Write images on which the control and a treatment differ; of folds, those of the first.

    Raises:
        KeyboardInterrupt: It was `stopped`, which is asked after every look at an image.
        YoloDropoutError: The task has no boxes to compare, no two runs have checkpoints, or a process died.
    """
    control = spec.treatments[0].name
    jobs = {run: Job(run, spec, folder.run(run.name).path) for run in runs if run.fold in (None, 0)}
    files = {run: file for run, job in jobs.items() if (file := job.folder.checkpoint)}
    pairs = [
        (run, replace(run, treatment=treatment))
        for run in files
        if run.treatment == control and replace(run, treatment=treatment) in files
    ][:MOST_SEEDS]
    if not pairs:
        raise InputError(f"examples: no seed has checkpoints of both {control} and {treatment}; train them first")
    of_control, of_other = ([str(files[pair[side]]) for pair in pairs] for side in (0, 1))
    arguments = {**spec.train, **one_device(spec)}
    call = (of_control, of_other, jobs[pairs[0][0]].data, arguments, tuple(strip))
    with closing(stream(compare, [call], log=folder.shift_log)) as looks:
        for found in looks:
            if found is None and stopped():
                raise KeyboardInterrupt
    names = {"control": control, "treatment": treatment, "seeds": [run.seed for run, _ in pairs]}
    write_json(folder.examples, {**names, **found})

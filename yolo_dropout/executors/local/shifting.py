"""Checkpoints measured under shift in processes of their own, each into a file; what a file holds is not done again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from yolo_dropout.base.files import write_text
from yolo_dropout.executors import Job
from yolo_dropout.executors.local.executor import stream
from yolo_dropout.executors.local.slots import is_mps
from yolo_dropout.executors.resources import default_jobs
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.shift.corruptions import library
from yolo_dropout.shift.measuring import measured
from yolo_dropout.shift.sets import CLEAN, Pass
from yolo_dropout.shift.tables import as_table, merged, passes_in, read_shift
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.study_spec import StudySpec


def measure_runs(
    folder: StudyFolder, spec: StudySpec, runs: Iterable[Run], passes: Sequence[Pass], tell: Callable[[str], None]
) -> None:
    """Measure the `best.pt` of a study's finished runs, or `last.pt` where there is none, each into its own folder.

    That is on this machine, on a Ray cluster too: here lie the weights and the data.

    Raises:
        YoloDropoutError: The data cannot be used, or a process died.
    """
    by_data: dict[str, dict[Path, Path]] = {}
    for job, checkpoint in checkpoints_of(folder, spec, runs, tell):
        by_data.setdefault(job.data, {})[job.folder.shift] = checkpoint
    for data, files in by_data.items():
        measure_into(files, data, passes, one_device(spec), log=folder.shift_log, tell=tell)


def checkpoints_of(
    folder: StudyFolder, spec: StudySpec, runs: Iterable[Run], tell: Callable[[str], None]
) -> Iterator[tuple[Job, Path]]:
    """The checkpoint of each run; of one that has none a line is told."""
    for run in runs:
        job = Job(run, spec, folder.run(run.name).path)
        if (checkpoint := job.folder.checkpoint) is None:
            tell(f"{run}: has no checkpoint, and is not measured")
        else:
            yield job, checkpoint


def one_device(spec: StudySpec) -> dict[str, Any]:
    """Several GPUs are a study's pool; one of them measures."""
    device = spec.train.get("device")
    found = re.findall(r"-?\w+(?::\d+)?", "" if device is None else str(device))
    return {"device": found[0]} if found else {}


def measure_into(
    files: Mapping[Path, Path],
    data: str,
    passes: Sequence[Pass],
    arguments: Mapping[str, Any],
    *,
    log: Path,
    tell: Callable[[str], None],
) -> None:
    """Measure checkpoints of one data set on every pass, and write each one's table after every corruption.

    Args:
        files: Each checkpoint, by the file to write.
        data: The data set.
        passes: What to do with its images.
        arguments: Of `YOLO.train`, instead of those of the checkpoints' trainings.
        log: Takes what the processes print.
        tell: Takes a line on every corruption that is done.

    Raises:
        YoloDropoutError: Model or data cannot be used, or a process died.
    """
    tables, checkpoints = {place: read_shift(place) for place in files}, list(files.values())
    known = {(i, what) for i, table in enumerate(tables.values()) for what in passes_in(table)}
    left: dict[str, set[int]] = {}
    for what in passes:
        if lacking := {i for i in range(len(files)) if (i, what) not in known}:
            left.setdefault(what.corruption, set()).update(lacking)
    if not left:
        return
    library()
    # The images of a corruption are made once, so one process takes it as a whole; a GPU is one process's.
    names, jobs = list(left), 1 if on_gpu(arguments) else min(default_jobs(), len(left))
    shares = [[what for what in passes if what.corruption in names[first::jobs]] for first in range(jobs)]
    calls = [(checkpoints, data, share, dict(arguments), known) for share in shares]
    with closing(stream(measured, calls, log=log)) as found:
        for i, rows in found:
            place, corruption = list(files)[i], next(iter(rows)).corruption
            tables[place] = merged(tables[place], as_table(rows.items()))
            write_text(place, tables[place].to_csv(index=False, lineterminator="\n"))
            left[corruption].discard(i)
            if not left[corruption]:
                done = sum(not runs for runs in left.values())
                tell(f"[{done}/{len(left)}] measured {'clean images' if corruption == CLEAN else corruption}")


def on_gpu(arguments: Mapping[str, Any]) -> bool:
    """Whether checkpoints will be measured on a GPU, which is one process's."""
    import torch

    if is_mps(arguments.get("device")):
        return True
    return torch.cuda.is_available() and arguments.get("device") != "cpu"

"""`yolo-dropout sweep --dry-run`: what would be trained, and what it takes; only a label cache is written."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

from yolo_dropout.base.text import duration, named, printable
from yolo_dropout.cli.output import FINISHED
from yolo_dropout.errors import WorkerError
from yolo_dropout.executors import Backend, Executor
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.resources import Needs, check_disk, free_disk, seconds_of_a_run, size
from yolo_dropout.folder.claim import check_free
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import RunRecord, check_vacant, read_records
from yolo_dropout.folder.study_file import stored_study
from yolo_dropout.spec.runs import pending, plan
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import inspect


def dry_run(
    spec: StudySpec, out: str | Path, executor: Executor, backend: Backend, *, retry_failed: bool = False
) -> int:
    """Check all that a sweep checks before its first run, and print the plan with what it will take; returns 0.

    The arguments are those of `run_study`, and so are the errors.
    """
    folder, here = StudyFolder.at(out), isinstance(executor, LocalExecutor)
    check_free(folder)
    records, notes = read_records(folder)
    records = tuple(record for record in records if record.finished or not retry_failed)
    per_image = None
    with _scratch() as scratch, patch.dict(os.environ, YOLO_OFFLINE="true"):  # for the processes that look
        log = scratch / "prepare.log"
        found = inspect(spec, folder, stored_study(folder), executor, backend, folds=scratch / "folds", log=log)
        if backend.rehearse is not None and not any(record.finished for record in records):
            with suppress(WorkerError):  # some models want more than images; their time stays unknown
                per_image = executor.call(backend.rehearse, spec, log=log)
    needs, (jobs, little_memory) = Needs.of(spec, found.parameters), executor.fit(found)
    todo = pending(plan(spec), {record.run for record in records})
    check_vacant(folder, todo)
    check_disk(folder, spec, needs, jobs, retry_failed=retry_failed)
    run_s = seconds_of_a_run(spec, found, records, per_image)
    disk = f"disk: about {size(needs.disk_bytes(len(todo), jobs))}, {size(free_disk(folder))} are free at {folder.path}"
    memory = f"memory: about {size(found.memory)} a run, {jobs} at a time" if found.memory and here else None
    elsewhere = None if here else "on a cluster: times are this machine's, and more runs at a time take less"
    end = "dry run: nothing was trained, and nothing written but Ultralytics' label cache"
    count, *runs = _plan(spec, records)
    lines = (count, _time(run_s, len(todo), jobs, measured=per_image is None), disk, memory, elsewhere)
    for line in filter(None, (*lines, *runs, little_memory, *found.notes, *notes, end)):
        print(printable(line))
    return FINISHED


@contextmanager
def _scratch() -> Iterator[Path]:
    """A folder that goes away again, unless an error has named the log in it."""
    folder, named = Path(mkdtemp(prefix="yolo-dropout-")), False
    try:
        yield folder
    except WorkerError:
        named = True
        raise
    finally:
        if not named:
            shutil.rmtree(folder, ignore_errors=True)


def _plan(spec: StudySpec, records: Sequence[RunRecord]) -> Iterator[str]:
    known = {record.run: record for record in records}
    runs = plan(spec)
    failed = sum(not record.finished for record in records)
    most = " at most" if spec.until_decided else ""
    yield f"{len(runs)} runs{most}: {len(records) - failed} finished, {failed} failed, {len(runs) - len(records)} to do"
    yield from (f"  {named(item.name)}: {item.words}" for item in spec.named)
    width = max(9, *(len(named(run.treatment)) for run in runs))
    for run in runs:
        record = known.get(run)
        state = "to do" if record is None else "finished" if record.finished else f"failed: {record.error}"
        yield f"  {named(run.treatment):<{width}} {run.block}: {state}"


def _time(run_s: float | None, runs: int, jobs: int, *, measured: bool) -> str:
    if run_s is None:
        return "time: not known before a run has finished"
    rough, known = "; rough, from single steps on random images", f", as the finished runs took {duration(run_s)} each"
    return f"time: about {duration(math.ceil(runs / jobs) * run_s)}, {jobs} at a time{known if measured else rough}"

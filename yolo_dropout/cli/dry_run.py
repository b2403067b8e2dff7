"""`yolo-dropout sweep --dry-run`: what would be trained, and what it takes; only a label cache is written."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from yolo_dropout.base.text import printable
from yolo_dropout.cli.output import FINISHED
from yolo_dropout.errors import WorkerError
from yolo_dropout.executors import Trainer
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.preflight import check_disk, duration, free_disk, seconds_of_a_run, size, what_it_takes
from yolo_dropout.folder.claim import check_free
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import RunRecord, check_vacant, read_records
from yolo_dropout.folder.study_file import stored_study
from yolo_dropout.spec.runs import pending, plan
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import prepare


def dry_run(
    spec: StudySpec,
    out: str | Path,
    jobs: int | None,
    per_gpu: int | None,
    trainer: Trainer,
    *,
    here: bool = True,
    retry_failed: bool = False,
) -> int:
    """Check all that a sweep checks before its first run, and print the plan with what it will take.

    Args:
        spec: What would be done.
        out: The study's folder.
        jobs: How many runs at a time; None for as many as fit.
        per_gpu: How many share a GPU; None for as many as fit.
        trainer: What would train.
        here: Whether on this machine; how many fit into a cluster only the cluster knows.
        retry_failed: Whether runs that have failed count as still to do.

    Returns:
        0.

    Raises:
        YoloDropoutError: The sweep would be refused.
    """
    folder = StudyFolder.at(out)
    check_free(folder)
    records, notes = read_records(folder)
    records = tuple(record for record in records if record.finished or not retry_failed)
    with _scratch() as scratch:
        executor, log = LocalExecutor(), scratch / "prepare.log"
        prepared = prepare(spec, folder, stored_study(folder), executor, trainer, folds=scratch / "folds", log=log)
        per_image = None if any(record.finished for record in records) else _rehearsed(executor, trainer, spec, log)
    needs, places, little_memory = what_it_takes(spec, prepared, jobs, per_gpu, here=here)
    slots = places.now
    todo = pending(plan(spec), {record.run for record in records})
    check_vacant(folder, todo)
    runs = len(todo)
    check_disk(folder, spec, needs, slots, retry_failed=retry_failed)
    run_s = seconds_of_a_run(spec, prepared, records, per_image)
    lines = [
        *_plan(spec, records),
        _time(run_s, runs, slots, measured=per_image is None),
        f"disk: about {size(needs.disk_bytes(runs, slots))}, {size(free_disk(folder))} are free at {folder.path}",
        *(
            [f"memory: about {size(needs.memory_bytes)} a run, {slots} at a time"]
            if needs.memory_bytes and here
            else []
        ),
        *([] if here else ["on a cluster: times are this machine's, and more runs at a time take less"]),
        *filter(None, (little_memory, *prepared.get("notes", ()), *notes)),
        "dry run: nothing was trained, and nothing written but Ultralytics' label cache",
    ]
    for line in lines:
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


def _rehearsed(executor: LocalExecutor, trainer: Trainer, spec: StudySpec, log: Path) -> dict[str, float] | None:
    if trainer.rehearse is None:
        return None
    try:
        return executor.call(trainer.rehearse, spec, log=log)
    except WorkerError:  # some models want more than images; their time stays unknown
        return None


def _plan(spec: StudySpec, records: Sequence[RunRecord]) -> Iterator[str]:
    known = {record.run: record for record in records}
    runs = plan(spec)
    failed = sum(not record.finished for record in records)
    most = " at most" if spec.until_decided else ""
    yield f"{len(runs)} runs{most}: {len(records) - failed} finished, {failed} failed, {len(runs) - len(records)} to do"
    for run in runs:
        record = known.get(run)
        state = "to do" if record is None else "finished" if record.finished else f"failed: {record.error}"
        yield f"  rate {run.rate:<4g} {run.block}: {state}"


def _time(run_s: float | None, runs: int, slots: int, *, measured: bool) -> str:
    if run_s is None:
        return "time: not known before a run has finished"
    total = duration(math.ceil(runs / slots) * run_s)
    if measured:
        return f"time: about {total}, {slots} at a time, as the finished runs took {duration(run_s)} each"
    return f"time: about {total}, {slots} at a time; rough, from single steps on random images"

"""The whole way: spec -> plan -> runs -> records -> table -> verdict -> files. Read this first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from yolo_dropout.executors import Ended, Event, Executor, Job, Trainer
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.preflight import check_disk, little_disk, what_it_takes
from yolo_dropout.executors.ultralytics.backend import ULTRALYTICS
from yolo_dropout.folder.claim import check_free, clear_leftovers, hold
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import RunRecord, check_vacant, make_way
from yolo_dropout.folder.same_study import check_same_data, check_same_study
from yolo_dropout.folder.study_file import StudyFile, stored_study, write_study_file
from yolo_dropout.report.publish import publish as publish_all
from yolo_dropout.results.collect import StudyResults, read_study
from yolo_dropout.spec.runs import Run, pending
from yolo_dropout.spec.study_spec import StudySpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Study(StudyResults):
    """A study as far as it has come: curves, scores, verdict and pictures, and how a notebook shows it."""

    def figures(self) -> dict[str, Figure]:
        """The study's pictures by name, as matplotlib figures."""
        from yolo_dropout.report.publish import figures_of

        return figures_of(self)

    def _repr_html_(self) -> str:
        from yolo_dropout.report.notebook import study_html

        return study_html(self)


def load_study(path: str | Path, *, remember: bool = False) -> Study:
    """Read a study from its folder.

    Args:
        path: The folder.
        remember: Write down what was read, so that the next time only files that have changed are read again.

    Raises:
        SpecError: The folder holds no study, or its spec is broken.
        InputError: Runs have different validation losses.
    """
    return read_study(StudyFolder.at(path, "DIR"), Study, remember=remember)


# So many runs that fail alike, before any has finished, end a study: the other runs would fail as well.
_SAME_FAULT = 3


def run_study(
    spec: StudySpec,
    out: str | Path,
    *,
    jobs: int | None = None,
    per_gpu: int | None = None,
    run_timeout_s: float | None = None,
    retry_failed: bool = False,
    continue_broken: bool = False,
    executor: Executor | None = None,
    trainer: Trainer = ULTRALYTICS,
    on_plan: Callable[[tuple[Run, ...], tuple[RunRecord, ...]], None] = lambda _todo, _done: None,
    on_event: Callable[[Event], None] = lambda _event: None,
    on_note: Callable[[str], None] = lambda _note: None,
    stopped: Callable[[], bool] = lambda: False,
    publish: Callable[[StudyResults], None] = publish_all,
) -> Study:
    """Run what is missing of a study, and write its tables, verdict, pictures and report.

    A script that calls this must do so under `if __name__ == "__main__":`, because runs are processes of
    their own, which import the script again.

    Args:
        spec: What to do.
        out: The study's folder; a study that is there already goes on.
        jobs: How many runs train at a time on this machine; by default as many as cores, memory or GPUs allow.
        per_gpu: How many share a GPU of this machine; by default what the first run's memory and utilisation allow.
        run_timeout_s: A run on this machine that takes longer is stopped and recorded as failed; None waits for ever.
        retry_failed: Train runs again that have failed before.
        continue_broken: Go on with runs that broke off from their `last.pt`, instead of starting them over.
        executor: Where to train instead of on this machine.
        trainer: What trains; by default Ultralytics.
        on_plan: Told what is to do, and what has been done before; again whenever seeds are added.
        on_event: Told each thing that happens to a run.
        on_note: Told what else one should know, a line each.
        stopped: Asked before each run; once true, no further run starts.
        publish: Writes what is derived from the runs; by default tables, pictures and report.

    Returns:
        The study as far as it has come.

    Raises:
        SpecError: The spec cannot work, or the folder holds another study.
        InputError: Model or data cannot be used, or no run has finished.
        SiteError: Dropout cannot act in this model the way it was asked for.
        StudyFolderError: The folder is not writable, too small, or another process works in it.
        WorkerError: Preparing broke down.
    """
    folder = StudyFolder.at(out)
    check_free(folder)
    with hold(folder) as held:
        here, log = executor or LocalExecutor(), folder.prepare_log
        stored = stored_study(folder)
        prepared = prepare(spec, folder, stored, here, trainer, folds=folder.folds, log=log)
        needs, slots, little_memory = what_it_takes(spec, prepared, jobs, per_gpu, here=executor is None)
        clear_leftovers(folder)
        check_disk(folder, spec, needs, slots.now, retry_failed=retry_failed)
        write_study_file(folder, spec, prepared, stored)
        study, ended = load_study(folder.path, remember=True), list[RunRecord]()
        for note in filter(None, (*prepared.get("notes", ()), little_memory, *study.notes)):
            on_note(note)
        retry = {record.run for record in study.failed} if retry_failed else set()
        chosen = executor or LocalExecutor(slots, run_timeout_s)

        def obstacle() -> str | None:
            if stopped():
                return "stopped as asked"
            return held.lost or _same_fault(ended) or little_disk(folder, needs)

        def job(run: Run) -> Job:
            if place := make_way(folder.run(run.name)):
                on_note(f"{place}: is what lay in the place of {run.name}, and is left out")
            return Job(run, spec, folder.run(run.name).path, continue_broken)

        while todo := _todo(study, retry, ended):
            check_vacant(folder, todo)
            on_plan(todo, tuple(record for record in study.records if record.run not in retry))
            # Runs are taken one by one, as there is room for them, so that obstacles are looked for before each.
            waiting = map(job, takewhile(lambda _: not obstacle(), todo))
            with held.told_first(), closing(chosen.run(waiting, trainer)) as events:
                for event in events:
                    if isinstance(event, Ended):
                        ended.append(event.record)
                    on_event(event)
            study = load_study(folder.path, remember=True)
            if reason := obstacle():
                study = replace(study, notes=(*study.notes, *([reason] if study.missing else [])))
                break
        publish(study)
    return study


def prepare(
    spec: StudySpec,
    folder: StudyFolder,
    stored: StudyFile | str,
    executor: Executor,
    trainer: Trainer,
    *,
    folds: Path,
    log: Path,
) -> dict[str, Any]:
    """Check a spec against the real model and data, and those against the study's, and make its folds.

    Args:
        spec: What was asked.
        folder: The study, which may have been begun.
        stored: What `stored_study` has read there.
        executor: Where to do this.
        trainer: What trains.
        folds: Where its folds go.
        log: Takes what Ultralytics prints.

    Returns:
        What was found; see `training.preparation.Prepared`.

    Raises:
        YoloDropoutError: The study cannot work.
    """
    anew = check_same_study(folder, spec, stored)
    prepared = executor.call(trainer.prepare, spec, log=log)
    check_same_data(folder, spec, prepared, stored)  # before folds that are there are made anew
    found: dict[str, Any] = {}
    if spec.folds is not None and trainer.split is not None:
        found = executor.call(trainer.split, spec, folds, log=log)
    notes = [*([anew] if anew else []), *prepared.get("notes", ()), *found.get("notes", ())]
    return prepared | found | {"notes": notes}


def _todo(study: Study, retry: set[Run], ended: list[RunRecord]) -> tuple[Run, ...]:
    # What has ended just now is not due again, whatever has become of its record: no run is trained for ever.
    done = {record.run for record in study.records} - retry
    return pending(study.due, done | {record.run for record in ended})


def _same_fault(ended: list[RunRecord]) -> str | None:
    errors = {record.error for record in ended}
    if len(ended) < _SAME_FAULT or len(errors) > 1 or None in errors:
        return None
    return f"stopped after {len(ended)} runs that failed alike, since the others would fail as well"

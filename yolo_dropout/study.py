"""The whole way: spec -> plan -> runs -> records -> table -> verdict -> files. Read this first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from dataclasses import dataclass, replace
from inspect import signature
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from yolo_dropout.base.text import named
from yolo_dropout.errors import SpecError, YoloDropoutError
from yolo_dropout.executors import Backend, Ended, Executor, Found, Job, View
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.local.looking import check_asked, find_examples, look, looks_of
from yolo_dropout.executors.local.shifting import measure_runs
from yolo_dropout.executors.resources import Needs, check_disk, little_disk
from yolo_dropout.executors.ultralytics.backend import ULTRALYTICS
from yolo_dropout.executors.ultralytics.trackers import untold
from yolo_dropout.folder.claim import check_free, clear_leftovers, hold
from yolo_dropout.folder.layout import StudyFolder, default_out
from yolo_dropout.folder.records import RunRecord, check_vacant, make_way
from yolo_dropout.folder.same_study import check_same_data, check_same_study
from yolo_dropout.folder.study_file import StudyFile, stored_study, write_study_file
from yolo_dropout.report.progress import view as view_on
from yolo_dropout.report.publish import publish as publish_all
from yolo_dropout.results.collect import StudyResults, read_study
from yolo_dropout.results.examples import chosen, strip_of
from yolo_dropout.shift.examples import check_task
from yolo_dropout.shift.sets import Pass
from yolo_dropout.spec.runs import Run, pending
from yolo_dropout.spec.study_spec import StudySpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Study(StudyResults):
    """A study as far as it has come: curves, scores, verdict and pictures, and how a notebook shows it."""

    def figures(self) -> dict[str, Figure]:
        """The study's pictures by name, as matplotlib figures."""
        from yolo_dropout.report.figures import figures_of

        return figures_of(self)

    def _repr_html_(self) -> str:
        from yolo_dropout.report.notebook import study_html

        return study_html(self)


def load_study(path: str | Path) -> Study:
    """Read a study from its folder.

    Raises:
        SpecError: The folder holds no study, or its spec is broken.
        InputError: Runs have different validation losses.
    """
    return read_study(StudyFolder.at(path, "DIR"), Study)


# So many runs that fail alike, before any has finished, end a study: the other runs would fail as well.
_SAME_FAULT = 3


def run_study(
    spec: StudySpec | str | Path | None = None,
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    retry_failed: bool = False,
    continue_broken: bool = False,
    executor: Executor | None = None,
    backend: Backend = ULTRALYTICS,
    view: View | None = None,
    shift: Sequence[str] = (),
    new_images: bool = False,
    calibration: bool = False,
    examples: bool = False,
    progress: bool = True,
    publish: Callable[[StudyResults], None] = publish_all,
    **asked: Any,
) -> Study:
    """Run what is missing of a study, and write its tables, verdict, pictures and report.

    A script that calls this must do so under `if __name__ == "__main__":`, because runs are processes of
    their own, which import the script again.

    Args:
        spec: What to do; or the model, as a path or a name.
        data: With a model, its data; after a spec, the study's folder, which `out=` names as well.
        out: The study's folder; a study that is there already goes on. By default that of the command line,
            runs/dropout/MODEL-DATA.
        retry_failed: Train runs again that have failed before.
        continue_broken: Go on with runs that broke off from their `last.pt`, instead of starting them over.
        executor: Where to train; by default on this machine, as many runs at a time as fit.
        backend: What trains; by default Ultralytics.
        view: Who watches, and may stop it; by default whoever looks at the terminal or the notebook.
        shift: Sets of corruptions under which every run's `best.pt` is measured when all have ended; by default none.
        new_images: Whether to measure every run's `best.pt` image by image, so that the report can say how far
            differences hold on new images.
        calibration: Whether to measure how well every run's `best.pt` is calibrated.
        examples: Whether to look for validation images on which the control and the best treatment differ.
        progress: Whether to show how far it is, where no `view` does.
        publish: Writes what is derived from the runs; by default tables, pictures and report.
        **asked: Beside a model and data: fields of `StudySpec`, and any arguments of `YOLO.train`, such as `epochs=50`.

    Returns:
        The study as far as it has come.

    Raises:
        SpecError: The spec cannot work, or the folder holds another study.
        InputError: Model or data cannot be used, or no run has finished.
        SiteError: Dropout cannot act in this model the way it was asked for.
        StudyFolderError: The folder is not writable, too small, or another process works in it.
        WorkerError: The look at model and data broke down.
    """
    spec, folder = _asked(spec, data, out, asked)
    executor, looks = executor or LocalExecutor(), looks_of(new_images=new_images, calibration=calibration)
    passes = check_asked(spec, shift, looks)
    check_free(folder)
    with _watching(view, spec, progress=progress) as shown, hold(folder) as held:
        stored = stored_study(folder)
        found = inspect(spec, folder, stored, executor, backend, folds=folder.folds, log=folder.prepare_log)
        for what in ["examples"] * examples + ["calibration"] * calibration:
            check_task(found.task, what)
        needs, (jobs, little_memory) = Needs.of(spec, found.parameters), executor.fit(found)
        clear_leftovers(folder)
        check_disk(folder, spec, needs, jobs, retry_failed=retry_failed)
        write_study_file(folder, spec, found.stored, stored)
        study, ended = load_study(folder.path), list[RunRecord]()
        for note in filter(None, (*found.notes, little_memory, *study.notes)):
            shown.note(note)
        retry = {record.run for record in study.failed} if retry_failed else set()

        def obstacle() -> str | None:
            if shown.stopped():
                return "stopped as asked"
            return held.lost or _same_fault(ended) or little_disk(folder, needs)

        def job(run: Run) -> Job:
            if place := make_way(folder.run(run.name)):
                shown.note(f"{place}: is what lay in the place of {run.name}, and is left out")
            made = Job(run, spec, folder.run(run.name).path, continue_broken)
            if made.checkpoint:
                shown.note(f"{made.checkpoint}: is loaded, to go on from it, which runs code of whoever made it")
            return made

        while todo := _todo(study, retry, ended):
            check_vacant(folder, todo)
            shown.plan(todo, tuple(record for record in study.records if record.run not in retry))
            # Runs are taken one by one, as there is room for them, so that obstacles are looked for before each.
            waiting = map(job, takewhile(lambda _: not obstacle(), todo))
            with held.told_first(), closing(executor.run(waiting, backend)) as events:
                for event in events:
                    if isinstance(event, Ended):
                        ended.append(event.record)
                    shown.event(event)
            study = load_study(folder.path)
            if reason := obstacle():
                study = replace(study, notes=(*study.notes, *([reason] if study.missing else [])))
                break
        else:
            try:
                study = _measured(study, passes, looks, shown)
                study = _with_examples(study, shown) if examples else study
            except BaseException:
                with suppress(YoloDropoutError):  # by a score that is not there yet nothing is judged
                    publish(study)
                raise
        publish(study)
        for line in untold(executor, found.trackers, folder, study.verdict, str(study.score)):
            shown.note(line)
    return study


def _asked(
    spec: StudySpec | str | Path | None, data: str | Path | None, out: str | Path | None, more: Mapping[str, Any]
) -> tuple[StudySpec, StudyFolder]:
    """What `run_study` was given, in either way, as a spec and a folder."""
    if not isinstance(spec, StudySpec):
        names = {name: value for name, value in (("model", spec), ("data", data)) if value is not None} | dict(more)
        spec, data = StudySpec.of(names, also=signature(run_study).parameters), None
    elif more:
        raise SpecError(f"{next(iter(more))}: does not go with a spec; put it in there, or give model and data")
    return spec, StudyFolder.at(next(place for place in (out, data, default_out(spec)) if place is not None))


def _watching(view: View | None, spec: StudySpec, *, progress: bool) -> AbstractContextManager[View]:
    if view or not progress:
        return nullcontext(view or View())
    console = Console(stderr=True)
    if console.is_jupyter:  # as plain lines: of a moving bar each step would become an output, which a notebook stores
        console = Console(stderr=True, force_jupyter=False, force_terminal=False)
    return view_on(console, spec.epochs)


def measure_study(
    study: Study,
    sets: Sequence[str],
    view: View,
    *,
    new_images: bool = False,
    calibration: bool = False,
    examples: bool = False,
) -> Study:
    """Do with the checkpoints of a study what was not done before; arguments are those of `run_study`."""
    looks = looks_of(new_images=new_images, calibration=calibration)
    passes = check_asked(study.spec, sets, looks, study.table.measured)
    if calibration and study.prepared.get("task"):
        check_task(study.prepared["task"], "calibration")
    with hold(study.folder):
        study = _measured(study, passes, looks, view)
        return _with_examples(study, view) if examples else study


def _measured(study: Study, passes: Sequence[Pass], looks: Collection[str], view: View) -> Study:
    def tell(line: str) -> None:
        view.note(line)
        if view.stopped():
            raise KeyboardInterrupt

    runs = [record.run for record in study.records if record.finished]
    if passes:
        measure_runs(study.folder, study.spec, runs, passes, tell)
    look(study.folder, study.spec, runs, looks, tell)
    return load_study(study.folder.path) if passes or looks else study


def _with_examples(study: Study, view: View) -> Study:
    if (treatment := chosen(study)) is None:
        return study
    view.note(f"looking for images on which {named(treatment)} and the control differ")
    runs = [record.run for record in study.records if record.finished]
    find_examples(study.folder, study.spec, runs, treatment, strip_of(study), stopped=view.stopped)
    study = load_study(study.folder.path)
    if not study.examples.get("images"):
        view.note("on average they do not differ on any of them")
    return study


def inspect(
    spec: StudySpec,
    folder: StudyFolder,
    stored: StudyFile | str,
    executor: Executor,
    backend: Backend,
    *,
    folds: Path,
    log: Path,
) -> Found:
    """Check a spec against the real model and data, and those against the study's, and make its folds below `folds`.

    Raises:
        YoloDropoutError: The study cannot work; `log` takes what Ultralytics says of it.
    """
    anew = check_same_study(folder, spec, stored)
    found = executor.call(backend.inspect, spec, log=log)
    check_same_data(folder, spec, found.stored, stored)  # before folds that are there are made anew
    cut = {}
    if spec.folds is not None and backend.split is not None:
        cut = executor.call(backend.split, spec, folds, log=log)
    notes = (*([anew] if anew else []), *found.notes, *cut.pop("notes", ()))
    return replace(found, **cut, notes=notes)


def _todo(study: Study, retry: set[Run], ended: list[RunRecord]) -> tuple[Run, ...]:
    # What has ended just now is not due again, whatever has become of its record: no run is trained for ever.
    done = {record.run for record in study.records} - retry
    return pending(study.due, done | {record.run for record in ended})


def _same_fault(ended: list[RunRecord]) -> str | None:
    errors = {record.error for record in ended}
    if len(ended) < _SAME_FAULT or len(errors) > 1 or None in errors:
        return None
    return f"stopped after {len(ended)} runs that failed alike, since the others would fail as well"

"""The backend of every real study: what an executor calls of `training`, in processes of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from yolo_dropout.errors import InputError, SiteError, SpecError
from yolo_dropout.executors import PRELOAD, Backend, Found, Job, OnEpoch, Outcome
from yolo_dropout.executors.ultralytics.trackers import registering_in_turn, tracker_environment, trackers_on
from yolo_dropout.folder.results_csv import VAL_LOSS
from yolo_dropout.sites.plan import Dropout
from yolo_dropout.spec.acting import ACTING, why_ignored
from yolo_dropout.spec.remedies import remedies as listed
from yolo_dropout.spec.score import CALIBRATION, Score
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.spec.treatment import Treatment
from yolo_dropout.training.inputs import InputFiles, input_files, named_files


def inspect(spec: StudySpec) -> Found:
    """Check a spec against the real model and data, and warm the label cache; see `training.prepare`."""
    from yolo_dropout.executors.local.slots import gpus_of
    from yolo_dropout.executors.ultralytics.rehearsal import footprint
    from yolo_dropout.training import prepare
    from yolo_dropout.training.models import load_model
    from yolo_dropout.training.preparation import check_args

    check_args(dict(spec.train))  # before a model is downloaded for nothing
    yolo = load_model(spec.model)
    _check_score(spec, yolo)
    places, pooled = (spec.where, spec.kind), spec.folds is not None
    found = prepare(yolo, spec.data, dict(spec.train), spec.rates, *places, pooled=pooled)
    for treatment in spec.named:
        _check_treatment(spec, treatment, yolo)
    parameters, memory = footprint(spec, yolo)
    return Found(**vars(found), parameters=parameters, memory=memory, gpus=gpus_of(spec), trackers=trackers_on())


def _check_treatment(spec: StudySpec, treatment: Treatment, yolo: Any) -> None:
    """A treatment that this model and task would ignore is told before the first run, by name."""
    from yolo_dropout.sites import find_sites
    from yolo_dropout.training.preparation import check_args

    given = {**spec.train, **treatment.train}
    for name in treatment.train:
        if reason := why_ignored(name, yolo.task, given):
            raise SpecError(f"{treatment.place(name)} {reason}")
    try:
        check_args(given)
        if treatment.dropout.rate > 0:
            find_sites(yolo, treatment.dropout.where, treatment.dropout.kind)
    except (SpecError, SiteError) as error:
        raise type(error)(f'treatments: "{treatment.name}": {error}') from error


def remedies(spec: StudySpec) -> tuple[Treatment, ...]:
    """Those of `spec.remedies` that this model and task can do, each with the arguments that act there."""
    from yolo_dropout.training.models import load_model

    yolo, usual, found = load_model(spec.model), Dropout(), dict[str, Treatment]()
    for name, fields in listed(spec):
        given = {**spec.train, **fields}
        acting = {k: v for k, v in fields.items() if k not in ACTING or not why_ignored(k, yolo.task, given)}
        with suppress(SpecError, SiteError):  # it is the control, another remedy, or has no place in this model
            treatment = Treatment.from_fields(name, acting, usual)
            _check_treatment(replace(spec, treatments=(*spec.treatments, *found.values(), treatment)), treatment, yolo)
            found[name] = treatment
    return tuple(found.values())


def _check_score(spec: StudySpec, yolo: Any) -> None:
    """A score that no training of the task will have is told before the first, and not after the last."""
    from yolo_dropout.shift.examples import check_task

    metric = Score.parse(spec.score).column
    if metric in CALIBRATION:
        return check_task(yolo.task, "score: calibration")
    with TemporaryDirectory() as folder:  # a validator makes one
        metrics = yolo.task_map[yolo.task]["validator"](save_dir=Path(folder)).metrics
    keys = [] if yolo.task == "depth" else metrics.keys  # there they are those of detection until it runs
    known, others = [VAL_LOSS, *keys], ("val/", "train/", "lr/", *(() if keys else ("metrics/",)))
    if metric not in known and not metric.startswith(others):
        raise SpecError(f"score: a {yolo.task} training has no metric {metric!r}; there are {', '.join(known)}")


def rehearse(spec: StudySpec) -> float:
    """Time a training step; see `rehearsal.seconds_per_image`."""
    from yolo_dropout.executors.ultralytics.rehearsal import seconds_per_image

    return seconds_per_image(spec)


def train(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train one job with Ultralytics, and with dropout that acts."""
    from yolo_dropout.training import train_lean

    os.environ.update(tracker_environment(job))
    spec, model, treatment = job.spec, job.spec.model, job.treatment
    given = {**spec.train, **treatment.train}
    continued = job.checkpoint is not None and _broke_off(job.checkpoint)
    if continued:
        # The GPU that is free now and the folder as it is called now, not those of before.
        model = str(job.checkpoint)
        given = {name: given[name] for name in ("device", "plots") if name in given} | {"resume": True}
    else:
        given |= {**treatment.dropout.arguments, "data": job.data, "seed": job.run.seed, "select": spec.select}
    with registering_in_turn():
        run = train_lean(model, on_epoch=on_epoch, save_dir=str(job.path), **given)
    proof = dict(run.proof) | _applied(treatment, run.arguments)
    return Outcome(run.sites, proof, proof.pop("versions", {}), continued)


def _applied(treatment: Treatment, trained: Mapping[str, Any]) -> dict[str, Any]:
    """What differed from the control's arguments, as the trainer had it; a `SpecError` where that is not as asked."""
    applied = {name: trained.get(name) for name in treatment.train}
    for name, value in treatment.train.items():
        if value not in (applied[name], "auto"):  # for which Ultralytics puts what it has chosen
            told = f"asks for {name}={value}, and was trained with {applied[name]}"
            raise SpecError(f'treatments: "{treatment.name}" {told}')
    return {"train": applied} if applied else {}


def _broke_off(checkpoint: Path) -> bool:
    """Whether there is something to go on from; otherwise the run starts over."""
    from yolo_dropout.training.models import can_go_on, load_model

    try:
        return can_go_on(load_model(checkpoint))
    except InputError:  # it cannot be read
        return False


def split(spec: StudySpec, out: Path) -> dict[str, Any]:
    """Write the spec's folds as data sets below `out`; see `training.folds.splitting.split_data`."""
    from yolo_dropout.training.folds.splitting import split_data

    return split_data(spec.model, spec.data, dict(spec.train), spec.folds or 0, out)


def inputs(spec: StudySpec) -> dict[str, InputFiles]:
    """The files that a spec's trainings read, those of its treatments too; see `training.inputs`."""
    own = {item.place(name): value for item in spec.named for name, value in item.train.items()}
    return input_files(spec.model, spec.data, spec.train) | named_files(own)


ULTRALYTICS = Backend(inspect, train, rehearse, split, inputs, PRELOAD, remedies)

"""The trainer of every real study: what an executor calls of `training`, in processes of its own."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.executors import PRELOAD, Job, OnEpoch, Outcome, Trainer
from yolo_dropout.executors.ultralytics.trackers import registering_in_turn, tracker_environment
from yolo_dropout.folder.results_csv import VAL_LOSS
from yolo_dropout.spec.score import Score
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.training.inputs import InputFiles, input_files


def prepare(spec: StudySpec) -> dict[str, Any]:
    """Check a spec against the real model and data, and warm the label cache; see `training.prepare`.

    Returns:
        What `training.prepare` found, what `rehearsal.footprint` measured, and `gpus`, as `gpus_of` lists them.
    """
    from yolo_dropout.executors.local.gpus import gpus_of
    from yolo_dropout.executors.ultralytics.rehearsal import footprint
    from yolo_dropout.training import prepare as prepare_training
    from yolo_dropout.training.models import load_model
    from yolo_dropout.training.preparation import check_args

    check_args(dict(spec.train))  # before a model is downloaded for nothing
    yolo = load_model(spec.model)
    _check_score(spec, yolo)
    places, pooled = (spec.where, spec.kind), spec.folds is not None
    found = prepare_training(yolo, spec.data, dict(spec.train), spec.rates, *places, pooled=pooled)
    return asdict(found) | footprint(spec, yolo) | {"gpus": gpus_of(spec)}


def _check_score(spec: StudySpec, yolo: Any) -> None:
    """A score that no training of the task will have is told before the first, and not after the last."""
    metric = Score.parse(spec.score).metric
    with TemporaryDirectory() as folder:  # a validator makes one
        metrics = yolo.task_map[yolo.task]["validator"](save_dir=Path(folder)).metrics
    keys = [] if yolo.task == "depth" else metrics.keys  # there they are those of detection until it runs
    known, others = [VAL_LOSS, *keys], ("val/", "train/", "lr/", *(() if keys else ("metrics/",)))
    if metric not in known and not metric.startswith(others):
        raise SpecError(f"score: a {yolo.task} training has no metric {metric!r}; there are {', '.join(known)}")


def rehearse(spec: StudySpec) -> dict[str, float]:
    """Time a training step and a validation forward pass; see `rehearsal.seconds_per_image`."""
    from yolo_dropout.executors.ultralytics.rehearsal import seconds_per_image

    return seconds_per_image(spec)


def train(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train one job with Ultralytics, and with dropout that acts."""
    from yolo_dropout.training import train_lean

    os.environ.update(tracker_environment(job))
    spec = job.spec
    continued = job.checkpoint is not None and _broke_off(job.checkpoint)
    with registering_in_turn():
        if continued:
            # The GPU that is free now and the folder as it is called now, not those of before.
            now = {name: value for name, value in spec.train.items() if name in ("device", "plots")}
            run = train_lean(str(job.checkpoint), on_epoch=on_epoch, resume=True, save_dir=str(job.path), **now)
        else:
            run = train_lean(
                spec.model,
                dropout=job.run.rate,
                where=spec.where,
                kind=spec.kind,
                schedule=spec.schedule,
                on_epoch=on_epoch,
                data=job.data,
                seed=job.run.seed,
                save_dir=str(job.path),
                **spec.train,
            )
    proof = dict(run.proof)
    return Outcome(run.sites, proof, proof.pop("versions", {}), continued)


def _broke_off(checkpoint: Path) -> bool:
    """Whether there is something to go on from; otherwise the run starts over."""
    from yolo_dropout.training.models import can_go_on, load_model

    try:
        return can_go_on(load_model(checkpoint))
    except InputError:  # it cannot be read
        return False


def split(spec: StudySpec, out: Path) -> dict[str, Any]:
    """Write the spec's folds as data sets below `out`; see `training.splitting.split_data`."""
    from yolo_dropout.training.folds.splitting import split_data

    return split_data(spec.model, spec.data, dict(spec.train), spec.folds or 0, out)


def inputs(spec: StudySpec) -> dict[str, InputFiles]:
    """The files that a spec's trainings read; see `training.inputs`."""
    return input_files(spec.model, spec.data, spec.train)


ULTRALYTICS = Trainer(prepare, train, rehearse, split, inputs, PRELOAD)

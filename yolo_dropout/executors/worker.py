"""What happens inside a worker process: one job, from its folder to its record."""

from __future__ import annotations

import os
import shutil
import sys
import time
import traceback
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from yolo_dropout.executors import Job, OnEpoch, Outcome, Trainer
from yolo_dropout.records import RunRecord, write_record
from yolo_dropout.spec import StudySpec


def run_job(job: Job, trainer: Trainer, on_epoch: OnEpoch) -> RunRecord:
    """Train one job in this process, and write its record last.

    Whatever the trainer raises becomes the record's error: a failed training is data, not an exception.

    Raises:
        StudyFolderError: The record itself cannot be written.
    """
    started, clock = datetime.now().astimezone().isoformat(timespec="seconds"), time.perf_counter()
    try:
        outcome, error = trainer.train(job, on_epoch), None
    except BaseException as raised:  # including SystemExit: the run has failed all the same
        traceback.print_exc()
        outcome, error = Outcome((), {}, {}), one_line(raised)
    record = RunRecord(
        rate=job.run.rate,
        seed=job.run.seed,
        status="failed" if error else "finished",
        error=error,
        started=started,
        seconds=round(time.perf_counter() - clock, 2),
        sites=outcome.sites,
        proof=outcome.proof,
        versions=outcome.versions,
    )
    write_record(job.folder, record)
    return record


def one_line(error: BaseException) -> str:
    """An exception as one line: its type and the first line of its message."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def prepare(spec: StudySpec) -> dict[str, Any]:
    """Check a spec against the real model and data, and warm the label cache; see `training.prepare`."""
    from yolo_dropout.training import prepare as prepare_training

    return asdict(prepare_training(spec.model, spec.data, dict(spec.train), spec.rates, spec.where, spec.kind))


def train(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train one job with Ultralytics, and with dropout that acts."""
    from yolo_dropout.training import train_lean

    spec = job.spec
    run = train_lean(
        spec.model,
        dropout=job.run.rate,
        where=spec.where,
        kind=spec.kind,
        schedule=spec.schedule,
        on_epoch=on_epoch,
        data=spec.data,
        seed=job.run.seed,
        save_dir=str(job.path),
        **spec.train,
    )
    proof = dict(run.proof)
    return Outcome(run.sites, proof, proof.pop("versions", {}))


ULTRALYTICS = Trainer(prepare, train)


def fresh_folder(path: Path) -> None:
    """Make the run's folder anew: what a run that broke off left there is worth nothing to the next try."""
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)


def redirect_output(log: Path) -> None:
    """Send everything this process prints to `log`.

    Descriptors are replaced and not `sys.stdout`, because Ultralytics' logger keeps the stream that it saw
    when it was imported, and because C libraries write past Python.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with log.open("ab") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)

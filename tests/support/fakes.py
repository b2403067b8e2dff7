"""A fast fake backend: it writes the files that a training writes, with curves that depend on rate and seed only."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from pathlib import Path

from yolo_dropout.executors import Backend, Ended, Event, Found, Job, OnEpoch, Outcome
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.sites.plan import Dropout
from yolo_dropout.spec.remedies import remedies as listed
from yolo_dropout.spec.runs import plan
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.spec.treatment import Treatment

COLUMNS = ("epoch", "time", "train/box_loss", "metrics/mAP50-95(B)", "val/box_loss", "val/cls_loss", "lr/pg0")


def rows(rate: float, seed: int, epochs: int, gain: float = 0.0) -> list[tuple[float, ...]]:
    """Rows of a results.csv; a rate lowers the validation loss by `gain * rate`."""
    rng = random.Random(seed)
    level = rng.gauss(2.0, 0.2) - gain * rate
    noise = random.Random(f"{seed} {rate}")
    curve = []
    for epoch in range(1, epochs + 1):
        loss = level + math.exp(-epoch / 2) + 0.01 * epoch * (1 - rate) + noise.gauss(0, 0.01)
        curve.append((epoch, 0.5 * epoch, 2 * loss, 1 / (1 + loss), loss, loss / 2, 0.001))
    return curve


def write_results(path: Path, rate: float, seed: int, epochs: int, gain: float = 0.0) -> None:
    """Write a results.csv as Ultralytics formats it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join(COLUMNS), *(",".join(f"{value:.6g}" for value in row) for row in rows(rate, seed, epochs, gain))]
    path.write_text("\n".join(lines) + "\n")


def inspect(spec: StudySpec) -> Found:
    """Find nothing wrong."""
    return Found(task="detect", n_train=4, n_val=4, sites=("head",))


def train(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Write the run's results at once."""
    epochs = int(job.spec.train.get("epochs", 3))
    rate = job.treatment.dropout.rate
    write_results(job.folder.results, rate, job.run.seed, epochs)
    for row in rows(rate, job.run.seed, epochs):
        on_epoch(dict(zip(COLUMNS, row, strict=True)))
    print("trained", job.run.name)
    return Outcome(("head",) if rate else (), {"kind": "dropout2d"}, {"ultralytics": "0"})


def remedies(spec: StudySpec) -> tuple[Treatment, ...]:
    """All that the list has for a spec, whatever its task."""
    return tuple(Treatment.from_fields(name, fields, Dropout()) for name, fields in listed(spec) if fields)


FAKE = Backend(inspect, train, remedies=remedies)
SPEC = StudySpec(model="m", data="d", rates=(0, 0.1), seeds=2)


def jobs(study: Path, spec: StudySpec = SPEC) -> list[Job]:
    """All jobs of a study, in the order of its plan."""
    return [Job(run, spec, StudyFolder(study).run(run.name).path) for run in plan(spec)]


def ends(events: Iterable[Event]) -> dict[str, RunRecord]:
    """The records of the runs that have ended, by name."""
    return {event.run.name: event.record for event in events if isinstance(event, Ended)}

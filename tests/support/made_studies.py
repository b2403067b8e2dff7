"""Whole studies with the fake trainer, in this process: what they trained, and what they derived from it."""

from __future__ import annotations

import fakes

from yolo_dropout.executors import Ended
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import run_study

TABLES = ("curves.csv", "scores.csv", "summary.csv", "verdict.json")


def spec(**changes: object) -> StudySpec:
    values = {"model": "m", "data": "d", "rates": (0, 0.1, 0.3), "seeds": 3, "train": {"epochs": 6}}
    return StudySpec(**(values | changes))


def run(folder, asked=None, trainer=fakes.FAKE, publish=publish_tables, **more):
    """Run a study without its pictures, which take seconds; the study and what was trained."""
    trained = []

    def note(event):
        if isinstance(event, Ended):
            trained.append(event.run.name)

    given = {"executor": LocalExecutor(slots=2), "trainer": trainer, "publish": publish, "on_event": note, **more}
    study = run_study(asked or spec(), folder, **given)
    return study, sorted(trained)


def derived(folder, names=TABLES):
    return {name: (folder / name).read_bytes() for name in names}

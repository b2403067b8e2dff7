"""Whole studies with the fake backend, in this process: what they trained, and what they derived from it."""

from __future__ import annotations

import fakes

from yolo_dropout.executors import Ended, View
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import run_study

TABLES = ("curves.csv", "scores.csv", "summary.csv", "verdict.json")


def spec(**changes: object) -> StudySpec:
    values = {"model": "m", "data": "d", "rates": (0, 0.1, 0.3), "seeds": 3, "train": {"epochs": 6}}
    return StudySpec(**(values | changes))


class Watcher(View):
    """Remembers what a study told, and stops it before the next run once `stop()` says so."""

    def __init__(self, stop=lambda: False):
        self.trained, self.notes, self.stopped = [], [], stop

    def event(self, event):
        if isinstance(event, Ended):
            self.trained.append(event.run.name)

    def note(self, line):
        self.notes.append(line)


def run(folder, asked=None, backend=fakes.FAKE, publish=publish_tables, **more):
    """Run a study without its pictures, which take seconds; the study and what was trained."""
    view = more.pop("view", None) or Watcher()
    given = {"executor": LocalExecutor(jobs=2), "backend": backend, "publish": publish, "view": view, **more}
    study = run_study(asked or spec(), folder, **given)
    return study, sorted(view.trained)


def derived(folder, names=TABLES):
    return {name: (folder / name).read_bytes() for name in names}

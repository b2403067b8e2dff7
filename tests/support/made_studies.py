"""Whole studies with the fake backend, in this process: what they trained, and what they derived from it."""

from __future__ import annotations

from collections.abc import Iterator

import fakes

from yolo_dropout.executors import Backend, Ended, Event, Job, Started, View
from yolo_dropout.executors.local.worker import ready_folder, run_job
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import run_study

TABLES = ("curves.csv", "scores.csv", "summary.csv", "verdict.json")


def spec(**changes: object) -> StudySpec:
    values = {"model": "m", "data": "d", "rates": (0, 0.1, 0.3), "seeds": 3, "train": {"epochs": 6}}
    return StudySpec(**(values | changes))


class Inline:
    """An executor that trains in the calling process: some hundred studies would each start a dozen."""

    def call(self, function, *arguments, log):
        return function(*arguments)

    def fit(self, found):
        return 1, None

    def run(self, jobs: Iterator[Job], backend: Backend) -> Iterator[Event]:
        for job in jobs:
            yield Started(job.run)
            ready_folder(job)
            epochs: list[Event] = []
            record = run_job(job, backend, epochs.append)
            yield from epochs
            yield Ended(job.run, record)


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
    given = {"executor": Inline(), "backend": backend, "publish": publish, "view": view, **more}
    study = run_study(asked or spec(), folder, **given)
    return study, sorted(view.trained)


def derived(folder, names=TABLES):
    return {name: (folder / name).read_bytes() for name in names}

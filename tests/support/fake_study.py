"""A study with the fake backend as a program of its own, to be killed: `fake_study.py FOLDER`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import fakes

from yolo_dropout.executors import Backend, Job, OnEpoch, Outcome
from yolo_dropout.spec.study_spec import StudySpec

SPEC = StudySpec(model="m", data="d", rates=(0, 0.1), seeds=2, train={"epochs": 4})


def slow_train(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train slowly enough to be killed in the middle; leave the process id where a test finds it."""
    pids = Path(os.environ["FAKE_PIDS"])
    (pids / f"{os.getpid()}").write_text(job.run.name)
    time.sleep(0.3)
    return fakes.train(job, on_epoch)


def main(folder: str) -> None:
    # In here, because every run's process imports this file.
    from yolo_dropout.executors.local.executor import LocalExecutor
    from yolo_dropout.executors.local.processes import warm_up
    from yolo_dropout.report.publish import publish_tables
    from yolo_dropout.study import run_study

    warm_up(())
    executor = LocalExecutor(jobs=2)
    backend = Backend(fakes.inspect, slow_train)
    run_study(SPEC, folder, executor=executor, backend=backend, publish=publish_tables, progress=False)


if __name__ == "__main__":
    main(sys.argv[1])

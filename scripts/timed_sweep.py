"""`sweep.py` that also notes when which of its parts began, and what steps and validations took: for `benchmark.py`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from yolo_dropout.cli.options import parse
from yolo_dropout.executors import Found, Job, OnEpoch, Outcome
from yolo_dropout.executors.ultralytics.backend import ULTRALYTICS
from yolo_dropout.spec.study_spec import StudySpec

TIMES = "step_times.json"
_SPANS = {
    "step": ("on_train_batch_start", "on_train_batch_end"),
    "validation": ("on_val_start", "on_val_end"),
}
_MARKS = "STUDY_MARKS"


def mark(name: str, at: float | None = None) -> None:
    """Note that something begins now, from whichever process."""
    with Path(os.environ[_MARKS]).open("a") as file:
        file.write(f"{name} {time.time() if at is None else at:.3f}\n")


def marks_of(out: Path) -> Path:
    """Where the marks of the study in `out` are."""
    return out.with_name(f"{out.name}-marks.txt")


def timed_inspect(spec: StudySpec) -> Found:
    """Look at model and data as a study does."""
    mark("inspection")
    found = ULTRALYTICS.inspect(spec)
    mark("inspected")
    return found


def timed_train(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train as a study does; `step_times.json` gets the seconds inside steps and inside validations."""
    mark("run")
    from ultralytics.utils.callbacks import default_callbacks

    begun, taken = dict[str, float](), dict.fromkeys(_SPANS, 0.0)

    def begin(span: str) -> Callable[[Any], None]:
        return lambda _: begun.update({span: time.perf_counter()})

    def end(span: str) -> Callable[[Any], None]:
        return lambda _: taken.update({span: taken[span] + time.perf_counter() - begun[span]})

    for span, (first, last) in _SPANS.items():
        default_callbacks[first].append(begin(span))
        default_callbacks[last].append(end(span))
    default_callbacks["on_train_start"].append(lambda _: mark("training"))
    default_callbacks["on_train_end"].append(lambda _: mark("trained"))
    outcome = ULTRALYTICS.train(job, on_epoch)
    (job.path / TIMES).write_text(json.dumps(taken))
    mark("ended")
    return outcome


def main() -> int:
    from yolo_dropout.cli.sweep import sweep

    options = parse(["sweep", *sys.argv[1:]])
    os.environ[_MARKS] = str(marks_of(Path(options.out)))
    mark("command", psutil.Process().create_time())
    mark("words")
    return sweep(options, replace(ULTRALYTICS, inspect=timed_inspect, train=timed_train))


if __name__ == "__main__":
    sys.exit(main())

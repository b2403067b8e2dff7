"""`sweep.py` that also writes what training steps and validations took, beside each run: for `benchmark.py`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from yolo_dropout.cli.options import parse
from yolo_dropout.executors import Job, OnEpoch, Outcome
from yolo_dropout.executors.ultralytics.backend import ULTRALYTICS

TIMES = "step_times.json"
_SPANS = {
    "step": ("on_train_batch_start", "on_train_batch_end"),
    "validation": ("on_val_start", "on_val_end"),
}


def timed_train(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train as a study does; `step_times.json` gets the seconds inside steps and inside validations."""
    from ultralytics.utils.callbacks import default_callbacks

    begun, taken = dict[str, float](), dict.fromkeys(_SPANS, 0.0)

    def begin(span: str) -> Callable[[Any], None]:
        return lambda _: begun.update({span: time.perf_counter()})

    def end(span: str) -> Callable[[Any], None]:
        return lambda _: taken.update({span: taken[span] + time.perf_counter() - begun[span]})

    for span, (first, last) in _SPANS.items():
        default_callbacks[first].append(begin(span))
        default_callbacks[last].append(end(span))
    outcome = ULTRALYTICS.train(job, on_epoch)
    (job.path / TIMES).write_text(json.dumps(taken))
    return outcome


def main() -> int:
    from yolo_dropout.cli.sweep import sweep

    return sweep(parse(["sweep", *sys.argv[1:]]), replace(ULTRALYTICS, train=timed_train))


if __name__ == "__main__":
    sys.exit(main())

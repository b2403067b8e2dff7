"""`yolo-dropout sweep` with a backend that waits, to be interrupted: `fake_cli.py GATE words...`.

Each training puts a file with its process id into the folder GATE, and waits until `go` is there.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

import fakes

from yolo_dropout.cli import run
from yolo_dropout.cli.options import parse
from yolo_dropout.cli.sweep import sweep
from yolo_dropout.executors import Backend, Found, Job, OnEpoch, Outcome
from yolo_dropout.spec.study_spec import StudySpec


def wait_at_gate(name: str) -> None:
    """Say that we are here, and wait."""
    gate = Path(os.environ["GATE"])
    (gate / f"{name}.tmp").write_text(str(os.getpid()))
    (gate / f"{name}.tmp").rename(gate / name)
    while not (gate / "go").exists():
        time.sleep(0.02)


def waiting_train(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train once the gate is open."""
    wait_at_gate(job.run.name)
    return fakes.train(job, on_epoch)


def waiting_inspect(spec: StudySpec) -> Found:
    """Find nothing wrong, once the gate is open."""
    wait_at_gate("prepare")
    return fakes.inspect(spec)


if __name__ == "__main__":
    os.environ["GATE"] = sys.argv[1]
    inspect = waiting_inspect if "GATE_AT_PREPARE" in os.environ else fakes.inspect
    command = partial(sweep, backend=Backend(inspect, waiting_train))
    sys.exit(run(parse(["sweep", *sys.argv[2:]]), command))

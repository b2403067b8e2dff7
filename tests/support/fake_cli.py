"""`yolo-dropout sweep` with a backend that waits, to be interrupted: `fake_cli.py GATE words...`.

Each training puts a file with its process id into the folder GATE, and waits until `go` is there.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import fakes

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


def main(gate: str, *words: str) -> int:
    """Run the command; what it needs is imported in here, because every run's process imports this file."""
    from functools import partial

    from yolo_dropout.cli import run
    from yolo_dropout.cli.options import parse
    from yolo_dropout.cli.sweep import sweep
    from yolo_dropout.executors.local.processes import warm_up

    os.environ["GATE"] = gate
    warm_up(())  # before anything is imported that the fork server would import too
    if "WITHOUT_PICTURES" in os.environ:  # seconds for each report
        from yolo_dropout.report import publish

        publish.figures_of, publish.card, publish.to_card = (lambda _: {}, lambda _: None, lambda _: b"")
    inspect = waiting_inspect if "GATE_AT_PREPARE" in os.environ else fakes.inspect
    command = partial(sweep, backend=Backend(inspect, waiting_train))
    return run(parse(["sweep", *words]), command)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

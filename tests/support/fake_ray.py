"""`yolo-dropout sweep` with a backend that waits at a gate, on whatever node it runs: `fake_ray.py GATE words...`."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

import fakes

from yolo_dropout.executors import Backend, Job, OnEpoch, Outcome


def gated_train(job: Job, on_epoch: OnEpoch, gate: Path) -> Outcome:
    """Say which process trains which run, and train when the gate is open."""
    (gate / f"{job.run.name}-{os.getpid()}").touch()
    while not (gate / "go").exists():
        time.sleep(0.05)
    return fakes.train(job, on_epoch)


def gated(gate: Path) -> Backend:
    """A backend that waits until the file `go` is in the folder `gate`."""
    # By its module's name: what only a script knows cannot be found on a node.
    from fake_ray import gated_train as importable

    return Backend(fakes.inspect, partial(importable, gate=gate))


def main(gate: str, *words: str) -> int:
    """Run the command; what it needs is imported in here, because every slot and every run imports this file."""
    from yolo_dropout.cli import run
    from yolo_dropout.cli.options import parse
    from yolo_dropout.cli.sweep import sweep

    return run(parse(["sweep", *words]), partial(sweep, backend=gated(Path(gate))))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

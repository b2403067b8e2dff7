"""`sweep --serve` with the fake backend as a program of its own: `fake_sweep.py OUT GATE`.

Seed 0 trains at once; the other runs wait until the file GATE is there, so that a test sees a study half done.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import fakes

from yolo_dropout.executors import Backend, Job, OnEpoch, Outcome


def gated_train(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train when the gate is open."""
    while job.run.seed > 0 and not Path(os.environ["FAKE_GATE"]).exists():
        time.sleep(0.05)
    return fakes.train(job, on_epoch)


def main(out: str, gate: str) -> int:
    """Run the command; what it needs is imported in here, because every run's process imports this file."""
    from yolo_dropout.cli.options import parse
    from yolo_dropout.cli.sweep import sweep

    os.environ["FAKE_GATE"] = gate
    words = ["sweep", "model=m.yaml", "data=d.yaml", "epochs=4", "--seeds", "3"]
    words += ["--treatment", "both at once: dropout=0.1 weight_decay=0.005"]
    words += ["--jobs", "2", "--serve", "--out", out]
    return sweep(parse(words), Backend(fakes.inspect, gated_train))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Where runs are trained. An executor takes jobs and yields what happens to them.

`local` trains each run in a fresh process of this machine, `ray` in fresh processes of a cluster's machines.
"""

from yolo_dropout.executors.jobs import (
    PRELOAD,
    Backend,
    Ended,
    EpochDone,
    Event,
    Executor,
    Found,
    Gpu,
    Job,
    OnEpoch,
    Outcome,
    Started,
    T,
    View,
)

__all__ = [
    "PRELOAD",
    "Backend",
    "Ended",
    "EpochDone",
    "Event",
    "Executor",
    "Found",
    "Gpu",
    "Job",
    "OnEpoch",
    "Outcome",
    "Started",
    "T",
    "View",
]

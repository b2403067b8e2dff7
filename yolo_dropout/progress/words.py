"""What both views say of a run and of seeds that are added."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from yolo_dropout.executors import Ended
from yolo_dropout.output import printable
from yolo_dropout.plan import Run


def val_loss(values: Mapping[str, float]) -> float:
    """The validation loss of one row of `results.csv`: the sum of its `val/` columns."""
    losses = [value for name, value in values.items() if name.startswith("val/")]
    return sum(losses) if losses else math.nan


def seeds_added(todo: Sequence[Run]) -> str:
    """What a look at the scores has led to; rates that are not among these have been dropped."""
    seeds = ", ".join(str(seed) for seed in sorted({run.seed for run in todo}))
    rates = ", ".join(f"{rate:g}" for rate in sorted({run.rate for run in todo}))
    return f"not clear yet, so seed {seeds} is added for rates {rates}"


def ending_words(event: Ended, lowest: float) -> str:
    """How a run ended, and its lowest validation loss where that is known."""
    record = event.record
    name = f"rate {event.run.rate:g} {event.run.block}"
    if not record.finished:
        return f"{name}: failed, {printable(record.error or 'no reason known')}"
    told = f", lowest val loss {lowest:.4g}" if math.isfinite(lowest) else ""
    return f"{name}: finished in {record.seconds or 0:.0f} s{told}"

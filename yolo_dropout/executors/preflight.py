"""Before the first run: do disk and memory suffice? What will the study take?"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yolo_dropout.errors import StudyFolderError
from yolo_dropout.executors import Found
from yolo_dropout.executors.resources import default_jobs, free_memory
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import RunRecord, read_records
from yolo_dropout.spec.runs import pending, plan
from yolo_dropout.spec.study_spec import StudySpec

# Bytes per parameter, measured: a checkpoint with fp16 weights, and one with the optimizer's state beside them.
_STRIPPED, _WHOLE = 2.15, 6.5
_BESIDE_CHECKPOINTS = 300_000  # results.csv, args.yaml, logs and the run's share of the tables
_REPORT = 20_000_000
_START_S = 3.0  # a training's start and end on one core, measured
_DECIMALS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True)
class Needs:
    """The disk that the runs of a study take: what a finished one keeps, and what one takes besides as it trains."""

    finished_bytes: int
    training_bytes: int

    @classmethod
    def of(cls, spec: StudySpec, parameters: int) -> Needs:
        """From the number of the model's parameters; `save_period` keeps more checkpoints, and whole ones."""
        every = int(spec.train.get("save_period") or 0)
        per_parameter = 2 * _STRIPPED + (spec.epochs // every * _WHOLE if every > 0 else 0)
        return cls(round(parameters * per_parameter) + _BESIDE_CHECKPOINTS, round(parameters * 2 * _WHOLE))

    def disk_bytes(self, runs: int, jobs: int) -> int:
        """Bytes for so many runs, so many of them at a time."""
        return runs * self.finished_bytes + min(runs, jobs) * self.training_bytes + _REPORT


def check_disk(folder: StudyFolder, spec: StudySpec, needs: Needs, jobs: int, *, retry_failed: bool = False) -> None:
    """Make sure that the runs which are missing fit on the disk, and can be written there.

    Raises:
        StudyFolderError: They do not, or cannot.
    """
    place = _nearest(folder.runs)
    if not os.access(place, os.W_OK | os.X_OK):
        raise StudyFolderError(f"--out: {place} is not writable; choose another, or make it writable")
    runs = _n_missing(folder, spec, retry_failed=retry_failed)
    needed, free = needs.disk_bytes(runs, jobs), free_disk(folder)
    if runs and needed > free:
        raise StudyFolderError(
            f"--out: needs about {size(needed)} for {runs} runs, {size(free)} are free; free some or choose another"
        )


def _n_missing(folder: StudyFolder, spec: StudySpec, *, retry_failed: bool) -> int:
    if retry_failed:
        return len(pending(plan(spec), {record.run for record in read_records(folder)[0] if record.finished}))
    # Whether a record is there says enough here; reading thousands takes a second.
    return sum(not folder.run(run.name).record.exists() for run in plan(spec))


def little_disk(folder: StudyFolder, needs: Needs) -> str | None:
    """A line when the disk has no room for one more run, else None."""
    needed, free = needs.finished_bytes + needs.training_bytes, free_disk(folder)
    if needed <= free:
        return None
    return f"stopped: a run needs about {size(needed)} of disk, {size(free)} are free; free some and run this again"


def free_disk(folder: StudyFolder) -> int:
    """Bytes that can still be written where the folder is, or will be."""
    return shutil.disk_usage(_nearest(folder.path)).free


def _nearest(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if os.access(place, os.F_OK))


def fitting_jobs(asked: int | None, memory_bytes: int | None, free: int | None = None) -> tuple[int, str | None]:
    """How many runs to train at a time on the CPU, and a line where memory is short.

    Args:
        asked: How many were asked for, which holds; None chooses.
        memory_bytes: What one run takes, if that is known.
        free: Free main memory, bytes; by default this machine's.
    """
    jobs = asked or default_jobs()
    if memory_bytes is None:
        return jobs, None
    free = free_memory() if free is None else free
    fitting = max(1, free // memory_bytes)
    if jobs <= fitting and memory_bytes <= free:
        return jobs, None
    short = f"memory: {jobs} at a time need about {size(jobs * memory_bytes)}, {size(free)} are free"
    if asked:
        return jobs, f"{short}; runs may be killed, use --jobs {fitting} or a smaller batch"
    if fitting < jobs:
        return fitting, f"{short}; so only {fitting} at a time"
    return jobs, f"{short}; runs may be killed, use a smaller batch or imgsz"


def seconds_of_a_run(
    spec: StudySpec, found: Found, records: Sequence[RunRecord], per_image: float | None
) -> float | None:
    """Seconds that one run takes: the median of finished ones, else by what a training step takes per image.

    A validation image takes a third of it, since nothing is sent back through the network.
    """
    known = [record.seconds for record in records if record.finished and record.seconds is not None]
    if known:
        return statistics.median(known)
    if per_image is None:
        return None
    return _START_S + spec.epochs * (found.n_train + found.n_val / 3) * per_image


def size(n_bytes: float) -> str:
    """Bytes in words, such as `1.2 GB`."""
    unit, name = next((pair for pair in _DECIMALS if n_bytes >= pair[0]), (1, "bytes"))
    return f"{n_bytes / unit:.3g} {name}"

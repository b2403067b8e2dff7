"""Before the first run: do disk and memory suffice? What will the study take?"""

from __future__ import annotations

import math
import os
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_dropout.errors import StudyFolderError
from yolo_dropout.executors.local.slots import CoreSlots, Gpu, GpuSlots, Slots
from yolo_dropout.executors.resources import cores, default_jobs, free_memory
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
    """What the runs of a study take, as far as that is known.

    Attributes:
        finished_bytes: Disk that a finished run keeps.
        training_bytes: Disk that a run takes besides, while it trains.
        memory_bytes: Main memory of one training; None where that is not known.
    """

    finished_bytes: int
    training_bytes: int
    memory_bytes: int | None = None

    @classmethod
    def of(cls, spec: StudySpec, prepared: Mapping[str, Any]) -> Needs:
        """From the model's size and memory, as preparing has found them."""
        parameters = int(prepared.get("parameters") or 0)
        every = int(spec.train.get("save_period") or 0)
        more = spec.epochs // every if every > 0 else 0  # save_period keeps whole checkpoints
        return cls(
            finished_bytes=round(parameters * (2 * _STRIPPED + more * _WHOLE)) + _BESIDE_CHECKPOINTS,
            training_bytes=round(parameters * 2 * _WHOLE),
            memory_bytes=prepared.get("memory"),
        )

    def disk_bytes(self, runs: int, jobs: int) -> int:
        """Disk for so many runs, so many of them at a time."""
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


def fitting_jobs(asked: int | None, needs: Needs, free: int | None = None) -> tuple[int, str | None]:
    """How many runs to train at a time.

    Args:
        asked: How many were asked for, which holds; None chooses.
        needs: What one run takes.
        free: Free main memory, bytes; by default what this machine has.

    Returns:
        The number, and a line where memory is short.
    """
    jobs = asked or default_jobs()
    if needs.memory_bytes is None:
        return jobs, None
    free = free_memory() if free is None else free
    fitting = max(1, free // needs.memory_bytes)
    if jobs <= fitting and needs.memory_bytes <= free:
        return jobs, None
    short = f"memory: {jobs} at a time need about {size(jobs * needs.memory_bytes)}, {size(free)} are free"
    if asked:
        return jobs, f"{short}; runs may be killed, use --jobs {fitting} or a smaller batch"
    if fitting < jobs:
        return fitting, f"{short}; so only {fitting} at a time"
    return jobs, f"{short}; runs may be killed, use a smaller batch or imgsz"


def what_it_takes(
    spec: StudySpec, prepared: dict[str, Any], jobs: int | None, per_gpu: int | None, *, here: bool
) -> tuple[Needs, Slots, str | None]:
    """What a run needs, how many train at a time, and a line where memory is short.

    `gpus` leaves `prepared`, since they are this machine's and not the study's. `here` is False for an executor that
    knows itself what its machines hold.
    """
    needs, gpus = Needs.of(spec, prepared), [Gpu(**values) for values in prepared.pop("gpus", ())]
    return needs, *(fitting_slots(jobs, per_gpu, needs, gpus) if here else (CoreSlots(jobs or 1), None))


def fitting_slots(
    jobs: int | None, per_gpu: int | None, needs: Needs, gpus: Sequence[Gpu], n_cores: int | None = None
) -> tuple[Slots, str | None]:
    """How many runs to train at a time, and on which GPUs.

    Args:
        jobs: How many were asked for, on all GPUs together; None chooses.
        per_gpu: How many were asked for on each GPU; None lets the first run's load decide, or `jobs`.
        needs: What one run takes.
        gpus: The GPUs that the study uses; none means the CPU.
        n_cores: Cores that may be used; by default what this machine has.

    Returns:
        The slots, and a line where memory is short or `per_gpu` means nothing.
    """
    if gpus:
        share = math.ceil(jobs / len(gpus)) if jobs else None
        return GpuSlots(tuple(gpus), n_cores or cores(), per_gpu or share, jobs), None
    fitting, note = fitting_jobs(jobs, needs)
    return CoreSlots(fitting), note or (
        f"per-gpu: no GPU is used here, so {per_gpu} has no effect" if per_gpu else None
    )


def seconds_of_a_run(
    spec: StudySpec, prepared: Mapping[str, Any], records: Sequence[RunRecord], per_image: Mapping[str, float] | None
) -> float | None:
    """Time that one run takes, s: the median of finished ones, else from what one image takes.

    Args:
        spec: What was asked.
        prepared: What preparing has found: `n_train` and `n_val`.
        records: Runs that have ended.
        per_image: Seconds per image of `train` and `val`; None where they were not measured.
    """
    known = [record.seconds for record in records if record.finished and record.seconds is not None]
    if known:
        return statistics.median(known)
    if per_image is None:
        return None
    epoch = prepared["n_train"] * per_image["train"] + prepared["n_val"] * per_image["val"]
    return float(_START_S + spec.epochs * epoch)


def size(n_bytes: float) -> str:
    """Bytes in words, such as `1.2 GB`."""
    unit, name = next((pair for pair in _DECIMALS if n_bytes >= pair[0]), (1, "bytes"))
    return f"{n_bytes / unit:.3g} {name}"

"""What a study takes of this machine, and what that has to give: disk, memory, cores and time, before the first run."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from yolo_dropout.errors import StudyFolderError
from yolo_dropout.executors import Found
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import RunRecord, read_records
from yolo_dropout.spec.runs import pending, plan
from yolo_dropout.spec.study_spec import StudySpec

# Peak resident memory of one training at the embedded default, measured, with room to spare.
MEMORY_PER_RUN = 1_500_000_000
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
    """Make sure that the runs which are missing fit on the disk, and can be written; a `StudyFolderError` if not."""
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
    # Of a drive that is not there nothing is; whoever asks about it is told.
    return next((place for place in (path, *path.parents) if os.access(place, os.F_OK)), path)


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


def default_jobs(n_cores: int | None = None, n_threads: int | None = None, free: int | None = None) -> int:
    """How many trainings run at a time on the CPU unless told otherwise.

    As many as cores, by default this machine's, hold of the `n_threads` that one keeps busy, and free memory in bytes.
    """
    n_cores = cores() if n_cores is None else n_cores
    n_threads = threads_per_run() if n_threads is None else n_threads
    free = free_memory() if free is None else free
    return max(1, min(n_cores // n_threads, free // MEMORY_PER_RUN))


def threads_per_run(n_machine: int | None = None) -> int:
    """Threads of one training on the CPU: Ultralytics goes by the machine's cores, whatever OMP_NUM_THREADS says."""
    return min(8, max(1, (n_machine or os.cpu_count() or 1) - 1))


def cores(root: Path = Path("/")) -> int:
    """Cores that this process may use: its affinity, and the quota of its cgroup and of those above it."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([affinity, *_quotas(root)])))


def free_memory(root: Path = Path("/"), available: int | None = None) -> int:
    """Memory that can be had without swapping, bytes: what the machine has available, and this process's cgroups."""
    if available is None:
        import psutil

        available = int(psutil.virtual_memory().available)
    return max(0, min([available, *_memory_left(root)]))


def _quotas(root: Path) -> Iterator[float]:
    for folder in _cgroups(root):
        with contextlib.suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            yield int(quota) / int(period)


def _memory_left(root: Path) -> Iterator[int]:
    for folder in _cgroups(root):
        with contextlib.suppress(OSError, ValueError):
            most, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
            yield most - used + _reclaimable(folder)


def _reclaimable(folder: Path) -> int:
    """Bytes of files in memory that a cgroup counts as used and gives up before anything swaps."""
    with contextlib.suppress(OSError, ValueError):
        lines = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return int(lines.get("inactive_file", 0))
    return 0


def _cgroups(root: Path) -> Iterator[Path]:
    """The folders of this process's cgroup and of those above it."""
    own = PurePosixPath("/")
    with contextlib.suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = PurePosixPath(line.removeprefix("0::"))
    # In a container the path may be one that only the host has; then its folders are not there, and the top counts.
    for place in (own, *own.parents):
        yield root / "sys/fs/cgroup" / place.relative_to("/")

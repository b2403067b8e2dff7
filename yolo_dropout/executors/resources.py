"""What this machine has to give: cores and memory, a container's limits (cgroup v2) included."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# Peak resident memory of one training at the embedded default, measured, with room to spare.
MEMORY_PER_RUN = 1_500_000_000


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

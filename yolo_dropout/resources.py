"""What this machine has to give: cores and memory, container limits included."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# Peak resident memory of one training at the embedded default, measured, with room to spare.
MEMORY_PER_RUN = 1_500_000_000


def default_jobs(n_gpus: int = 0) -> int:
    """How many trainings run at a time unless told otherwise.

    Args:
        n_gpus: GPUs that trainings will use; 0 means the CPU, where one training keeps one core busy.

    Returns:
        One per GPU, or one per core, but no more than free memory holds; at least 1.
    """
    if n_gpus:
        return n_gpus
    return max(1, min(cores(), free_memory() // MEMORY_PER_RUN))


def cores() -> int:
    """Cores that this process may use."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, int(_cgroup_cores())))


def _cgroup_cores() -> float:
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return int(quota) / int(period)
    return 1e9


def free_memory() -> int:
    """Memory that can be had without swapping, bytes."""
    import psutil

    free = int(psutil.virtual_memory().available)
    with contextlib.suppress(OSError, ValueError):
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        free = min(free, limit - used)
    return max(0, free)

"""How many runs train at a time, and where: on cores, or on GPUs that small trainings share as far as was measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Final

# Of a GPU's memory, so much is handed out: the allocator's blocks do not fit together without gaps.
_MEMORY_SHARE = 0.9
# Cores that a run on a GPU needs: its own process, and one that loads images.
_CORES_PER_RUN = 2
# The place of a run that uses no GPU, or whatever one its spec names.
ANYWHERE: Final = -1


@dataclass(frozen=True)
class Gpu:
    """A GPU as it was before the first run.

    Attributes:
        index: Its number for `device=`.
        total_bytes: Its memory.
        used_bytes: What others use of it.
        uuid: Its name for NVML; empty where it has none.
    """

    index: int
    total_bytes: int
    used_bytes: int = 0
    uuid: str = ""


@dataclass(frozen=True)
class Load:
    """What one run was measured to take of a GPU.

    Attributes:
        memory_bytes: Peak memory, with the CUDA context.
        utilisation: Share of the time in which the GPU worked, in [0, 1].
    """

    memory_bytes: int
    utilisation: float


@dataclass(frozen=True)
class CoreSlots:
    """So many runs at a time, none of them told where to train."""

    runs: int
    measuring: Final[bool] = False

    def place(self, running: Sequence[int]) -> int | None:
        """Where the next run starts; None while there is no room. `running` holds the places of those that train."""
        return ANYWHERE if len(running) < self.runs else None

    @property
    def now(self) -> int:
        """How many runs train at a time."""
        return self.runs

    def crowded(self) -> CoreSlots:
        """The same slots: a run has no GPU to itself here."""
        return self


@dataclass(frozen=True)
class GpuSlots:
    """One run per GPU until a run has been measured, then as many as its memory, its time and the cores allow.

    Attributes:
        gpus: The GPUs that take part.
        cores: Cores of this machine, which all runs share.
        per_gpu: So many runs per GPU, whatever is measured; None measures.
        runs: Most runs at a time, on all GPUs together; None leaves that open.
        load: What was measured; None before.
    """

    gpus: tuple[Gpu, ...]
    cores: int
    per_gpu: int | None = None
    runs: int | None = None
    load: Load | None = None

    @property
    def measuring(self) -> bool:
        """Whether a first run is still to tell what one takes."""
        return self.per_gpu is None and self.load is None

    @property
    def now(self) -> int:
        """How many runs train at a time, as far as is known by now."""
        total = sum(self.capacity(gpu) for gpu in self.gpus)
        return total if self.runs is None else min(total, self.runs)

    def capacity(self, gpu: Gpu) -> int:
        """How many runs may share a GPU by now; at least 1."""
        if self.per_gpu is not None:
            return self.per_gpu
        if self.load is None:
            return 1
        free = _MEMORY_SHARE * (gpu.total_bytes - gpu.used_bytes)
        by_memory = free / max(1, self.load.memory_bytes)
        by_time = 1 / max(0.01, self.load.utilisation)
        by_cores = self.cores / (_CORES_PER_RUN * len(self.gpus))
        return max(1, math.floor(min(by_memory, by_time, by_cores) + 1e-9))

    def place(self, running: Sequence[int]) -> int | None:
        """The GPU on which the next run starts: the emptiest that has room; None while none has."""
        if self.runs is not None and len(running) >= self.runs:
            return None
        free = [
            (running.count(gpu.index), gpu.used_bytes, gpu.index) for gpu in self.gpus if self._has_room(gpu, running)
        ]
        return min(free)[2] if free else None

    def _has_room(self, gpu: Gpu, running: Sequence[int]) -> bool:
        return running.count(gpu.index) < self.capacity(gpu)

    def crowded(self) -> GpuSlots:
        """The slots after runs that shared a GPU were out of its memory: one run per GPU from now on."""
        return replace(self, per_gpu=1)


Slots = CoreSlots | GpuSlots


@dataclass
class Seen:
    """What a training has shown of itself: epochs, peak memory in bytes, how busy and whether shared its GPU was."""

    epochs: int = 0
    gpu_bytes: float = 0.0
    busy: list[float] = field(default_factory=list)
    shared: bool = False


def look(slots: GpuSlots, running: Mapping[int, Seen], utilisation: Callable[[Gpu], float | None]) -> GpuSlots:
    """The slots as running trainings have shown by now what one takes.

    Memory counts from the second epoch on, when training and validation have both been there; utilisation while that
    epoch runs, since the first one warms up.

    Args:
        slots: As they were.
        running: What runs have shown, by GPU. Samples of utilisation are added to it.
        utilisation: Tells how busy a GPU is; None where it cannot, which counts as busy all the time.
    """
    for gpu in slots.gpus:
        seen = running.get(gpu.index, Seen())
        if seen.epochs == 1 and (busy := utilisation(gpu)) is not None:
            seen.busy.append(busy)
        if seen.epochs > 1 and seen.gpu_bytes:
            return replace(slots, load=Load(int(seen.gpu_bytes), fmean(seen.busy) if seen.busy else 1.0))
    return slots

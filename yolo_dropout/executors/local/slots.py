"""How many runs train at a time, and where: on cores, or on GPUs that small trainings share as far as was measured."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Final

from yolo_dropout.errors import SpecError
from yolo_dropout.executors import Gpu
from yolo_dropout.spec.study_spec import StudySpec

# Of a GPU's memory, so much is handed out: the allocator's blocks do not fit together without gaps.
_MEMORY_SHARE = 0.9
# Cores that a run on a GPU needs: its own process, and one that loads images.
_CORES_PER_RUN = 2
# The place of a run that uses no GPU, or whatever one its spec names.
ANYWHERE: Final = -1


@dataclass(frozen=True)
class Load:
    """What one run was measured to take of a GPU: bytes at its peak, and the share of time in which the GPU worked."""

    memory_bytes: int
    utilisation: float


@dataclass(frozen=True)
class Slots:
    """How many runs train at a time.

    Without GPUs so many as `runs` says, none of them told where to train. With GPUs one on each until a run has been
    measured, then as many as its memory, its time and the cores allow.

    Attributes:
        runs: Most runs at a time; None leaves that open, on GPUs only.
        gpus: The GPUs that take part.
        per_gpu: So many runs per GPU, whatever is measured; None measures.
        cores: Cores of this machine, which all runs share.
        load: What was measured; None before.
    """

    runs: int | None = None
    gpus: tuple[Gpu, ...] = ()
    per_gpu: int | None = None
    cores: int = 1
    load: Load | None = None

    @property
    def measuring(self) -> bool:
        """Whether a first run is still to tell what one takes."""
        return bool(self.gpus) and self.per_gpu is None and self.load is None

    @property
    def now(self) -> int:
        """How many runs train at a time, as far as is known by now."""
        return min(most for most in (self.runs, sum(map(self.capacity, self.gpus))) if most)

    def capacity(self, gpu: Gpu) -> int:
        """How many runs may share a GPU by now; at least 1."""
        if self.per_gpu is not None:
            return self.per_gpu
        if self.load is None:
            return 1
        by_memory = _MEMORY_SHARE * (gpu.total_bytes - gpu.used_bytes) / max(1, self.load.memory_bytes)
        by_time = 1 / max(0.01, self.load.utilisation)
        by_cores = self.cores / (_CORES_PER_RUN * len(self.gpus))
        return max(1, math.floor(min(by_memory, by_time, by_cores) + 1e-9))

    def place(self, running: Sequence[int]) -> int | None:
        """The GPU on which the next run starts beside those: the emptiest that has room; None while there is none."""
        if self.runs is not None and len(running) >= self.runs:
            return None
        if not self.gpus:
            return ANYWHERE
        room = [gpu for gpu in self.gpus if running.count(gpu.index) < self.capacity(gpu)]
        return min(((running.count(gpu.index), gpu.used_bytes, gpu.index) for gpu in room), default=(0, 0, None))[2]

    def crowded(self) -> Slots:
        """The slots after runs that shared a GPU were out of its memory: one run per GPU from now on."""
        return replace(self, per_gpu=1)


@dataclass
class Seen:
    """What a training has shown of itself: epochs, peak memory in bytes, how busy and whether shared its GPU was."""

    epochs: int = 0
    gpu_bytes: int = 0
    busy: list[float] = field(default_factory=list)
    shared: bool = False


def look(slots: Slots, running: Mapping[int, Seen], utilisation: Callable[[Gpu], float | None]) -> Slots:
    """The slots as running trainings have shown by now what one takes.

    Memory counts from the second epoch on, when training and validation have both been there; utilisation while that
    epoch runs, since the first one warms up. What is not known of it counts as busy all the time.
    """
    for gpu in slots.gpus:
        seen = running.get(gpu.index, Seen())
        if seen.epochs == 1 and (busy := utilisation(gpu)) is not None:
            seen.busy.append(busy)
        if seen.epochs > 1 and seen.gpu_bytes:
            return replace(slots, load=Load(seen.gpu_bytes, fmean(seen.busy) if seen.busy else 1.0))
    return slots


def asked_gpus(device: object, n_gpus: int) -> tuple[int, ...]:
    """The numbers of the GPUs that a study uses, each of which trains runs of its own.

    Several GPUs of a `device` are a pool, and not one training on all of them. Where none is named it is all `n_gpus`;
    it is none for `cpu`, `mps`, and whatever is no CUDA GPU.

    Raises:
        SpecError: There is no such GPU.
    """
    words = device if isinstance(device, (list, tuple)) else str("" if device is None else device).split(",")
    names = [str(word).strip().lower().removeprefix("cuda").removeprefix(":").strip("[]() ") for word in words]
    if all(name in ("", "-1") for name in names):
        return tuple(range(n_gpus))
    if not all(name.isdigit() for name in names):
        return ()
    if max(map(int, names)) >= n_gpus:
        raise SpecError(f"device: must name GPUs below {n_gpus}, got {device!r}; leave it out to use all")
    return tuple(dict.fromkeys(map(int, names)))


def is_mps(device: object) -> bool:
    """Whether a `device` is a Mac's GPU, of which nobody tells how busy it is: it trains one run at a time."""
    return str(device).strip().lower() in ("mps", "mps:0")


def gpus_of(spec: StudySpec) -> tuple[Gpu, ...]:
    """The GPUs that a study uses, as in `asked_gpus`; torch is asked, so call this in a process of its own.

    A Mac's has no number: its runs are told nothing but the study's own `device`.
    """
    import torch

    if is_mps(device := spec.train.get("device")):
        return (Gpu(ANYWHERE, 0),)
    found = []
    for index in asked_gpus(device, torch.cuda.device_count()) if torch.cuda.is_available() else ():
        uuid = str(getattr(torch.cuda.get_device_properties(index), "uuid", ""))
        uuid = uuid if not uuid or uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        free, total = torch.cuda.mem_get_info(index)
        found.append(Gpu(index, total, total - free, uuid))
    return tuple(found)


def utilisation(gpu: Gpu) -> float | None:
    """Share of the last moments in which a GPU worked, in [0, 1]; None where that cannot be told."""
    with contextlib.suppress(Exception):  # no NVML, no such GPU, no right to ask: then it is not known
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(gpu.uuid)
        return float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100
    return None

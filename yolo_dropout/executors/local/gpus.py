"""The GPUs of this machine: which a study may use, and how busy one is."""

from __future__ import annotations

import contextlib
from typing import Any

from yolo_dropout.errors import SpecError
from yolo_dropout.executors.local.slots import Gpu
from yolo_dropout.spec.study_spec import StudySpec


def asked_gpus(device: object, n_gpus: int) -> tuple[int, ...]:
    """The numbers of the GPUs that a study uses, each of which trains runs of its own.

    Args:
        device: `device` as Ultralytics takes it; several GPUs are a pool, and not one training on all of them.
        n_gpus: How many there are.

    Returns:
        All of them where none is named; none for `cpu`, `mps`, and whatever is no CUDA GPU.

    Raises:
        SpecError: There is no such GPU.
    """
    words = device if isinstance(device, (list, tuple)) else str("" if device is None else device).split(",")
    names = [str(word).strip().lower().removeprefix("cuda").removeprefix(":").strip("[]() ") for word in words]
    if all(name in ("", "-1") for name in names):
        return tuple(range(n_gpus))
    if not all(name.isdigit() for name in names):
        return ()
    for name in names:
        if int(name) >= n_gpus:
            raise SpecError(f"device: must name GPUs below {n_gpus}, got {device!r}; leave it out to use all")
    return tuple(dict.fromkeys(int(name) for name in names))


def gpus_of(spec: StudySpec) -> list[dict[str, Any]]:
    """The GPUs that a study uses, as plain values; torch is asked, so call this in a process of its own.

    Raises:
        SpecError: There is no such GPU.
    """
    import torch

    if not torch.cuda.is_available():
        return []
    found = []
    for index in asked_gpus(spec.train.get("device"), torch.cuda.device_count()):
        uuid = str(getattr(torch.cuda.get_device_properties(index), "uuid", ""))
        uuid = uuid if not uuid or uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
        free, total = torch.cuda.mem_get_info(index)
        found.append({"index": index, "total_bytes": total, "used_bytes": total - free, "uuid": uuid})
    return found


def utilisation(gpu: Gpu) -> float | None:
    """Share of the last moments in which a GPU worked, in [0, 1]; None where that cannot be told."""
    with contextlib.suppress(Exception):  # no NVML, no such GPU, no right to ask: then it is not known
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(gpu.uuid)
        return float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100
    return None

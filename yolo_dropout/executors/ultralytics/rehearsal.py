"""What a training will take, measured on its own model with random images: memory, and time."""

from __future__ import annotations

import contextlib
import math
import time
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten

from yolo_dropout.errors import SpecError
from yolo_dropout.sites import network
from yolo_dropout.spec.arguments import known_arguments
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.training.lean.images import BUDGET
from yolo_dropout.training.models import load_model
from yolo_dropout.training.proof import random_images

# Resident memory of a training process before its first step, measured, and what it may hold of decoded images.
_MEMORY_BASE = 800_000_000 + BUDGET
# Weights, gradients, EMA, two moments of AdamW, and the two checkpoints that a lean training holds: bytes.
_MEMORY_PER_PARAMETER = 44
# Losses, label assignment and validation come on top of the activations that the backward pass needs.
_BESIDE_ACTIVATIONS = 1.25
_PROBE_SIDE, _PROBE_BATCH, _AUTO_BATCH = 160, 2, 16
# As many as two images of 640 px have, which a CPU takes some seconds for.
_QUICK_PIXELS = 2 * 640**2
_LARGEST_SIDE = 2**15
# Below it the coarsest feature map of a model may be a single cell.
_ONE_CELL = 64


def footprint(spec: StudySpec, yolo: Any) -> tuple[int, int | None]:
    """How many parameters a model has, and how much memory one training takes, from one small forward pass.

    The memory is the main one in bytes; None where that cannot be told or a GPU trains. `yolo` is made ready to train.

    Raises:
        SpecError: There is no such device, or `imgsz` or `batch` is out of range.
    """
    batch, side = _size(spec, yolo.task)
    net, memory = _trainable(yolo), None
    if batch == 1 and side <= _ONE_CELL:
        try:
            net(random_images(net, batch, side))
        except ValueError as error:  # of batch normalisation
            raise SpecError(
                f"batch: one image of imgsz={side} is too little to normalise by, got batch=1; use 2 or a larger imgsz"
            ) from error
    parameters = sum(parameter.numel() for parameter in net.parameters())
    if _device(spec).type != "cpu":
        if (asked := spec.train.get("batch", 1)) < 1:
            raise SpecError(
                f"batch: must be a number of images in a study on a GPU, got {asked}: Ultralytics would choose another "
                "one for each run, by the memory that is free then"
            )
        return parameters, None
    with contextlib.suppress(Exception):  # some models want more than images; then their memory stays unknown
        activations = _activation_bytes(net, random_images(net, _PROBE_BATCH, _PROBE_SIDE))
        scale = batch / _PROBE_BATCH * (side / _PROBE_SIDE) ** 2
        memory = int(_MEMORY_BASE + parameters * _MEMORY_PER_PARAMETER + _BESIDE_ACTIVATIONS * activations * scale)
    return parameters, memory


def seconds_per_image(spec: StudySpec) -> float:
    """Seconds of a training step per image, without losses and loading, from one step on random images.

    On a CPU, where the time goes by the pixels, at most as many images take part as are quick.

    Raises:
        InputError: The model cannot be loaded.
        SpecError: There is no such device.
        RuntimeError: The model wants more than images.
    """
    yolo, device = load_model(spec.model), _device(spec)
    net, (batch, side) = _trainable(yolo).to(device), _size(spec, yolo.task)
    if device.type == "cpu":
        batch = min(batch, max(_PROBE_BATCH, _QUICK_PIXELS // side**2))
    seconds = 0.0
    for size in ((_PROBE_BATCH, _PROBE_SIDE), (batch, side)):  # the first step of a process is slow
        images, start = random_images(net, *size), time.perf_counter()
        outputs = [leaf for leaf in tree_flatten(net(images))[0] if isinstance(leaf, torch.Tensor)]
        sum(tensor.float().mean() for tensor in outputs if tensor.requires_grad).backward()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    return seconds / batch


def _trainable(yolo: Any) -> nn.Module:
    net: nn.Module = network(yolo).float()
    for parameter in net.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    return net.train()


def _device(spec: StudySpec) -> torch.device:
    from ultralytics.utils.torch_utils import select_device

    asked = spec.train.get("device")
    try:
        device: torch.device = select_device("" if asked is None else asked, verbose=False)
    except (ValueError, RuntimeError, AssertionError) as error:
        raise SpecError(f"device: must be one that is there, such as cpu or 0, got {asked!r}") from error
    return device


def _size(spec: StudySpec, task: str) -> tuple[int, int]:
    """Batch size, and side of an image in pixels, as the training will have them."""
    default = 224 if task == "classify" else known_arguments()["imgsz"]
    batch = spec.train.get("batch", known_arguments()["batch"])
    side = spec.train.get("imgsz", default)
    side = max(side, default=0) if isinstance(side, (list, tuple)) else int(side)
    if not 1 <= side <= _LARGEST_SIDE:
        raise SpecError(f"imgsz: must be from 1 to {_LARGEST_SIDE}, got {side}; for instance imgsz=640")
    if (batch < 0 and batch != -1) or batch == 0:
        raise SpecError(f"batch: must be a number of images, or -1 to choose one, got {batch}")
    return (int(batch) if batch >= 1 else _AUTO_BATCH), 32 * math.ceil(int(side) / 32)


def _activation_bytes(net: nn.Module, images: torch.Tensor) -> int:
    """Memory that a forward pass keeps for its backward pass, without the weights."""
    kept: dict[int, int] = {}
    weights = {parameter.untyped_storage().data_ptr() for parameter in net.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = net(images)
    del output
    return sum(kept.values())

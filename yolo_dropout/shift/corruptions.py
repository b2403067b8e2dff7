"""One corrupted image: the same for an image, a corruption and a severity, whoever makes it and in what order."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.shift.sets import Pass

Image: TypeAlias = NDArray[np.uint8]

_LEAST_PX = 32
# These draw from generators of their own, and the others from numpy's global one.
_SEEDED = ("impulse_noise", "glass_blur")
# Strengths by severity: rain is (share of pixels where a drop falls, length of a streak in image heights, haze), the
# others are factors or exponents, as MedMNIST-C has them for chest X-rays.
_RAIN = ((0.001, 0.06, 0.08), (0.002, 0.08, 0.12), (0.003, 0.11, 0.17), (0.005, 0.14, 0.23), (0.008, 0.18, 0.3))
_EXPOSURE = {
    "brightness_down": (0.9, 0.8, 0.7, 0.6, 0.5),
    "contrast_up": (1.1, 1.2, 1.3, 1.4, 1.6),
    "gamma_up": (1.1, 1.2, 1.3, 1.4, 1.6),
    "gamma_down": (0.9, 0.8, 0.7, 0.6, 0.4),
}


def library() -> Any:
    """The library of corruptions.

    Raises:
        SpecError: It is not installed.
    """
    try:
        return import_module("imagecorruptions")
    except ImportError as error:
        raise SpecError(f'shift: needs another package ({error}); run pip install "yolo-dropout[shift]"') from error


def corrupt(image: Image, what: Pass, name: str) -> Image:
    """A corrupted copy of an image.

    Args:
        image: As OpenCV reads it: blue, green, red, or grey, shape (height, width, 3), (height, width, 1) or
            (height, width).
        what: The corruption and its severity; a clean pass returns the image itself.
        name: The image's name, which seeds what is random.

    Raises:
        InputError: It is no such image, or has less than 32 pixels on a side.
    """
    if not what.severity:
        return image
    grey = image.ndim == 2 or image.shape[2] == 1
    if image.dtype != np.uint8 or not (grey or image.shape[2] == 3) or min(image.shape[:2]) < _LEAST_PX:
        got = f"{image.dtype} of shape {image.shape}"
        raise InputError(f"data: {name} is {got}; shift needs 8 bits, 1 or 3 channels, and {_LEAST_PX} pixels a side")
    colours = np.repeat(image.reshape(*image.shape[:2], 1), 3, 2) if grey else image[..., ::-1]
    seed = crc32(f"{name}|{what.corruption}|{what.severity}".encode())
    before = np.random.get_state()  # noqa: NPY002 - the library draws from it, and so may whoever calls this
    np.random.seed(seed)  # noqa: NPY002
    try:
        with np.errstate(all="ignore"):  # drops on an image that is too small for any
            made = _made(np.ascontiguousarray(colours), what, seed)
    finally:
        np.random.set_state(before)  # noqa: NPY002
    back = made.mean(axis=2).round().astype(np.uint8).reshape(image.shape) if grey else made[..., ::-1]
    return np.ascontiguousarray(back)


def key_of(file: str) -> str:
    """What an image is called, wherever its data set lies: its folder and its name."""
    return "/".join(Path(file).parts[-2:])


def _made(image: Image, what: Pass, seed: int) -> Image:
    name, level = what.corruption, what.severity - 1
    if name == "rain":
        return _rain(image, *_RAIN[level])
    if name in _EXPOSURE:
        strength, light = _EXPOSURE[name][level], image / 255
        if name.startswith("gamma"):
            light = light**strength
        else:
            middle = light.mean() if name.startswith("contrast") else 0.0
            light = middle + (light - middle) * strength
        return _bytes(light * 255)
    seeded = {"seed": seed} if name in _SEEDED else {}
    return np.asarray(library().corrupt(image, severity=level + 1, corruption_name=name, **seeded), dtype=np.uint8)


def _rain(image: Image, density: float, length: float, haze: float) -> Image:
    """Slanted bright streaks, near ones and far ones, before a light haze."""
    import cv2

    height, width = image.shape[:2]
    slant, wet = np.random.uniform(-0.35, 0.35), np.zeros((height, width))  # noqa: NPY002 - seeded, as the library's
    for part in (1.0, 0.5):
        side = max(3, round(height * length * part)) | 1
        drops = (np.random.random((height, width)) < density).astype(np.float32)  # noqa: NPY002
        line, lean = np.zeros((side, side), np.float32), round(slant * side / 2)
        cv2.line(line, (side // 2 - lean, 0), (side // 2 + lean, side - 1), 1.0)
        wet += np.minimum(cv2.filter2D(drops, -1, line), 1.0) * 0.6 * part
    wet = np.minimum(cv2.GaussianBlur(wet, (3, 3), 0), 0.8)[..., None]
    dull = image * (1 - haze) + 160 * haze
    return _bytes(dull * (1 - wet) + 225 * wet)


def _bytes(values: NDArray[Any]) -> Image:
    return values.round().clip(0, 255).astype(np.uint8)

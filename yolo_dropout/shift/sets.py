"""Which corruptions there are, by set, and which of them are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from yolo_dropout.errors import SpecError

CLEAN = "none"
SEVERITIES = (1, 3, 5)
_NOISE = ("gaussian_noise", "shot_noise", "impulse_noise")
_BLUR = ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur")
_WEATHER = ("snow", "frost", "fog", "brightness")
_DIGITAL = ("contrast", "elastic_transform", "pixelate", "jpeg_compression")
_HOLDOUT = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
_BENCHMARK = (*_NOISE, *_BLUR, *_WEATHER, *_DIGITAL)
# The names of the first seven are those of mmdetection's `test_robustness.py`, and what is in them is too; `xray` goes
# by the chest list of MedMNIST-C (Di Salvo et al. 2024, arXiv 2406.17536). A corruption's group is the first set of
# those below `all` that has it.
SETS = {
    "benchmark": _BENCHMARK,
    "all": (*_BENCHMARK, *_HOLDOUT),
    "noise": _NOISE,
    "blur": _BLUR,
    "weather": _WEATHER,
    "digital": _DIGITAL,
    "holdout": _HOLDOUT,
    "driving": ("rain", "snow", "frost", "fog", "spatter", "brightness", "brightness_down", "motion_blur"),
    "xray": (
        *("pixelate", "jpeg_compression", "gaussian_noise", "speckle_noise", "impulse_noise", "shot_noise"),
        *("gaussian_blur", "brightness", "brightness_down", "contrast", "contrast_up", "gamma_up", "gamma_down"),
    ),
}
CORRUPTIONS = tuple(dict.fromkeys(name for names in SETS.values() for name in names))


class Pass(NamedTuple):
    """One corruption of all validation images; severity 0 leaves them clean."""

    corruption: str = CLEAN
    severity: int = 0


def members(word: str) -> tuple[str, ...]:
    """The corruptions of a set, or the one of that name.

    Raises:
        SpecError: There is neither.
    """
    if word not in SETS and word not in CORRUPTIONS:
        known = f"{', '.join(SETS)}, or single ones such as fog"
        raise SpecError(f"corruptions: no set or corruption is called {word!r}; there are {known}")
    return SETS.get(word, (word,))


def group_of(corruption: str) -> str:
    """The set that a corruption is counted in, in tables; of the clean images `none`."""
    return next((name for name, inside in list(SETS.items())[2:] if corruption in inside), corruption)


def passes_of(corruptions: str | Iterable[str], severities: Iterable[Any]) -> tuple[Pass, ...]:
    """The passes over the validation images that are asked for, the clean one first.

    Args:
        corruptions: Sets or single corruptions by name.
        severities: Whole numbers from 1 to 5.

    Raises:
        SpecError: A name is not known, or a severity is none.
    """
    words, levels = [corruptions] if isinstance(corruptions, str) else list(corruptions), list(severities)
    wrong = [level for level in levels if str(level) not in ("1", "2", "3", "4", "5")]
    if wrong or not levels or not words:
        got = repr(wrong[0]) if wrong else "none"
        raise SpecError(f"severities: must be whole numbers from 1 to 5, got {got}; for instance --severities 1 3 5")
    names = dict.fromkeys(name for word in words for name in members(word))
    return (Pass(), *(Pass(name, level) for name in names for level in sorted({int(level) for level in levels})))

"""The rules of a spec's fields: each takes what was given, and returns it as the spec holds it or raises."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

from yolo_dropout.errors import SpecError

# Fewer allow no verdict. The same as `decision.contrast.MIN_BLOCKS`, whose module takes a while to import.
LEAST_SEEDS = 3
MOST_SEEDS = 1000


def path_or_name(name: str, value: object) -> str:
    """Make a path absolute where it exists, so that a study means the same from every folder."""
    if not isinstance(value, (str, Path)) or not str(value).strip():
        raise SpecError(f"{name}: must be a path or a name, got {value!r}")
    text = str(value).strip()
    if re.match(r"[a-z]+://", text):
        return text
    try:
        path = Path(text).expanduser()
        return str(path.resolve()) if path.exists() else text
    except (RuntimeError, OSError):  # `~name` of nobody, or a name that is too long
        return text


def checked_rates(values: object) -> tuple[float, ...]:
    """Rates in order, with the control."""
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        values = [values]
    rates = sorted(_rate(value) for value in values)
    if not rates:
        raise SpecError("rates: at least one rate above 0 is needed, got none; for instance --rates 0 0.1 0.3")
    for rate, following in itertools.pairwise(rates):
        if rate == following:
            raise SpecError(f"rates: each must be given once, got {rate:g} twice")
    if rates[-1] == 0:
        raise SpecError("rates: at least one rate above 0 is needed beside the control, got only 0")
    return tuple(rates) if rates[0] == 0 else (0.0, *rates)


def _rate(value: object) -> float:
    number = _number("rates", value)
    if not 0 <= number < 1:
        raise SpecError(f"rates: each must be in [0, 1), got {value}")
    return number + 0.0  # -0.0 becomes 0.0


def _number(name: str, value: object) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise SpecError(f"{name}: must be a number, got {value!r}") from None
    if not math.isfinite(number):
        raise SpecError(f"{name}: must be a finite number, got {value!r}")
    return number


def checked_seeds(values: object) -> tuple[int, ...]:
    """Seeds in order; a count stands for the first so many."""
    if _is_whole(values):
        count = int(values)  # type: ignore[call-overload]
        if count < 1:
            raise SpecError(f"seeds: a count must be at least 1, got {count}")
        if count > MOST_SEEDS:
            raise SpecError(f"seeds: a count must be at most {MOST_SEEDS}, got {count}")
        return tuple(range(count))
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise SpecError(f"seeds: must be a count or a list of whole numbers, got {values!r}")
    seeds = list(values)
    for seed in seeds:
        if not _is_whole(seed) or seed < 0:
            raise SpecError(f"seeds: each must be a whole number of at least 0, got {seed!r}")
    if not seeds:
        raise SpecError("seeds: at least one is needed, got none; for instance --seeds 3")
    repeated = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if repeated is not None:
        raise SpecError(f"seeds: each must be given once, got {repeated} repeatedly")
    return tuple(sorted(int(seed) for seed in seeds))


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)  # numpy's integers are Integral too


def checked_alpha(value: object) -> float:
    """An error level."""
    alpha = _number("alpha", value)
    if not 0 < alpha < 0.5:
        raise SpecError(f"alpha: must be in (0, 0.5), got {value}")
    return alpha


def word(name: str, value: object) -> str:
    """A word, or a regular expression."""
    if not isinstance(value, str) or not value.strip():
        raise SpecError(f"{name}: must be a word, got {value!r}")
    return value.strip()


def checked_until_decided(value: object, seeds: object) -> bool:
    """Whether to stop as soon as the scores decide, which takes seeds enough to look at."""
    if not isinstance(value, bool):
        raise SpecError(f"until_decided: must be true or false, got {value!r}")
    n = len(checked_seeds(seeds))
    if value and n < LEAST_SEEDS:
        raise SpecError(f"seeds: until_decided needs at least {LEAST_SEEDS}, got {n}; use --max-seeds 12")
    return value


def checked_folds(value: object, train: Mapping[str, Any], *, until_decided: bool) -> int | None:
    """How many folds, and nothing asked that they cannot go with."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 2:
        raise SpecError(f"folds: must be a whole number of at least 2, got {value!r}; for instance --folds 5")
    if until_decided:
        raise SpecError(f"folds: cannot go with until_decided, got folds={value}; use --seeds 3, or leave --folds out")
    if train.get("fraction") not in (None, 1):
        raise SpecError(f"fraction: cannot go with folds, got fraction={train['fraction']}; leave it out")
    if train.get("split", "val") != "val":
        raise SpecError(f"split: folds make their own val, got split={train['split']}; leave it out")
    return value

"""The rules of a spec: each takes what was given for a field, and returns it as the spec holds it or raises."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any, TypeGuard

from yolo_dropout.errors import SpecError

# Fewer allow no verdict. The same as `decision.rule.MIN_BLOCKS`, whose module takes a while to import.
LEAST_SEEDS = 3
MOST_SEEDS = 1000
MOST_RUNS = 100_000
LARGEST_SEED = 2**32 - 1
# Where seeds are added, until it is clear or after a verdict: as many may be used, unless told otherwise.
MOST_LOOKED_AT = 12


def must(holds: bool, message: str) -> None:
    """Raise a `SpecError` unless something holds."""
    if not holds:
        raise SpecError(message)


def path_or_name(name: str, value: object) -> str:
    """Make a path absolute where it exists, so that a study means the same from every folder."""
    text = str(value).strip()
    must(isinstance(value, (str, Path)) and text != "", f"{name}: must be a path or a name, got {value!r}")
    with contextlib.suppress(RuntimeError, OSError):  # `~name` of nobody, or a name that is too long
        path = Path(text).expanduser()
        return str(path.resolve()) if not re.match(r"[a-z]+://", text) and path.exists() else text
    return text


def rates(values: object, *, others: bool) -> tuple[float, ...]:
    """Rates in order, with the control, which may be the only one where there are other treatments."""
    rates = sorted(_rate(value) for value in (values if _is_list(values) else [values]))
    if others and rates in ([], [0.0]):
        return (0.0,)
    must(rates != [], "rates: at least one rate above 0 is needed, got none; for instance --rates 0 0.1 0.3")
    for rate, following in itertools.pairwise(rates):
        must(rate < following, f"rates: each must be given once, got {rate:g} twice")
    must(rates[-1] > 0, "rates: at least one rate above 0 is needed beside the control, got only 0")
    return tuple(rates) if rates[0] == 0 else (0.0, *rates)


def _rate(value: object) -> float:
    number = _number("rates", value)
    must(0 <= number < 1, f"rates: each must be in [0, 1), got {value}")
    return number + 0.0  # -0.0 becomes 0.0


def _number(name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        raise SpecError(f"{name}: must be a number, got {value!r}") from None
    must(math.isfinite(number), f"{name}: must be a finite number, got {value!r}")
    return number


def seeds(values: Any) -> tuple[int, ...]:
    """Seeds in order; a count stands for the first so many."""
    if _is_whole(values):
        must(values >= 1, f"seeds: a count must be at least 1, got {values}")
        check_number_of_seeds(values)
        return tuple(range(values))
    must(_is_list(values), f"seeds: must be a count or a list of whole numbers, got {values!r}")
    seeds = list(values)
    must(seeds != [], "seeds: at least one is needed, got none; for instance --seeds 3")
    check_number_of_seeds(len(seeds))
    for seed in seeds:
        must(is_seed(seed), f"seeds: each must be a whole number from 0 to {LARGEST_SEED}, got {seed!r}")
        must(seeds.count(seed) == 1, f"seeds: each must be given once, got {seed} repeatedly")
    return tuple(sorted(int(seed) for seed in seeds))


def check_number_of_seeds(n: int) -> None:
    """Refuse more seeds than a study can hold; a `SpecError`."""
    must(n <= MOST_SEEDS, f"seeds: at most {MOST_SEEDS} can be used, got {n}")


def is_seed(value: Any) -> bool:
    """Whether a training can be seeded with it: numpy takes 32 bits."""
    return _is_whole(value) and 0 <= value <= LARGEST_SEED


def _is_list(values: object) -> TypeGuard[Iterable[Any]]:
    return isinstance(values, Iterable) and not isinstance(values, (str, bytes))


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)  # numpy's integers are Integral too


def alpha(value: object) -> float:
    """An error level in (0, 0.5)."""
    alpha = _number("alpha", value)
    must(0 < alpha < 0.5, f"alpha: must be in (0, 0.5), got {value}")
    return alpha


def min_gain(value: object) -> float | None:
    """A gain above 0; None where none is given."""
    if value is None:
        return None
    gain = _number("min_gain", value)
    must(gain > 0, f"min_gain: must be above 0, in units of the score, got {value}; for instance --min-gain 0.01")
    return gain


def max_seeds(value: Any) -> int | None:
    """How many seeds a study may come to have; None where none are to be added."""
    sound = value is None or (_is_whole(value) and 1 <= value <= MOST_SEEDS)
    must(sound, f"max_seeds: must be a whole number from 1 to {MOST_SEEDS}, got {value!r}; {MOST_LOOKED_AT} is usual")
    return value if value is None else int(value)


def word(name: str, value: Any) -> str:
    """Text that is not empty; what it may be is asked where it is used."""
    must(isinstance(value, str) and value.strip() != "", f"{name}: must be a word, got {value!r}")
    return str(value).strip()


def until_decided(value: Any, given: object) -> bool:
    """Whether to stop as soon as the scores decide, which takes seeds enough to look at."""
    must(isinstance(value, bool), f"until_decided: must be true or false, got {value!r}")
    n = len(seeds(given))
    must(
        not value or n >= LEAST_SEEDS,
        f"seeds: until_decided needs at least {LEAST_SEEDS}, got {n}; use --max-seeds 12",
    )
    return bool(value)


def folds(value: Any, train: Mapping[str, Any], *, until_decided: bool) -> int | None:
    """How many folds, and nothing asked that they cannot go with."""
    if value is None:
        return None
    whole = isinstance(value, int) and not isinstance(value, bool)
    must(whole and value >= 2, f"folds: must be a whole number of at least 2, got {value!r}; for instance --folds 5")
    together = f"folds: cannot go with until_decided, got folds={value}; use --seeds 3, or leave --folds out"
    must(not until_decided, together)
    fraction, split = train.get("fraction"), train.get("split", "val")
    must(fraction in (None, 1), f"fraction: cannot go with folds, got fraction={fraction}; leave it out")
    must(split == "val", f"split: folds make their own val, got split={split}; leave it out")
    return int(value)

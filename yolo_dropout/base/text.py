"""How numbers, rates and foreign texts are written wherever people read them."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterable, Sequence
from math import ceil, floor, isfinite, log10
from typing import TypeAlias

ABSENT = "–"
# The name of a study's control.
CONTROL = "0.0"
# What tables call a treatment: its rate, in a study of nothing but rates; else its name.
Label: TypeAlias = float | str


def printable(text: str) -> str:
    """Text on one line without control characters, which could move a terminal's cursor or change its colours."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def cut(text: str, most: int = 800) -> str:
    """A message that a terminal can show: its long words, and then itself, lose their middle, and keep the way out."""
    text = re.sub(r"\S{300,}", lambda word: f"{word[0][:80]}…{word[0][-80:]}", text)
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"


def whole_number(text: str) -> int | None:
    """The whole number that a text is, of 18 digits at most; None where it is none. Python refuses 5,000 digits."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def rate_text(rate: float) -> str:
    """A rate as people write it, in full: 0.0, 0.05, 0.1. It names the treatment that is nothing but this rate."""
    short = f"{rate:.1f}" if round(rate, 1) == rate else f"{rate:g}"
    return short if float(short) == rate else repr(float(rate))


def rate_of(treatment: str) -> float | None:
    """The rate that a treatment is named by; None for one with a name of its own."""
    with contextlib.suppress(ValueError):
        if 0 <= (rate := float(treatment)) < 1 and rate_text(rate) == treatment:
            return rate
    return None


def label_text(label: Label) -> str:
    """The name of the treatment that a table labels by its rate or its name."""
    return label if isinstance(label, str) else rate_text(label)


def is_control(label: Label) -> bool:
    """Whether a treatment of a study is its control, which is named by the rate 0.0."""
    return label_text(label) == CONTROL


def noun(treatments: Iterable[str]) -> str:
    """What treatments are called together: rates, where they are nothing else."""
    return "treatment" if any(rate_of(name) is None for name in treatments) else "rate"


def named(treatment: str) -> str:
    """A treatment inside a sentence: rate 0.1, or "weight decay x10"."""
    return f'"{treatment}"' if rate_of(treatment) is None else f"rate {treatment}"


def number(value: float | None, among: Iterable[float | None] = ()) -> str:
    """A value for reading; a dash where there is none.

    Args:
        value: What to write. Alone it gets three significant digits, and never an exponent for what is large.
        among: The values that it is shown among, one of which may be far off: it gets as many decimals as tell these
            apart.
    """
    if value is None or not isfinite(value):
        return ABSENT
    finite = [x for x in among if x is not None and isfinite(x)]
    span = max(finite) - min(finite) if len(finite) > 1 else 0.0
    if not span:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    least = 2 - floor(log10(max(abs(value), 1.0)))
    text = f"{value:.{min(max(2 - floor(log10(span)), least, 0), 6)}f}"
    return text if float(text) else text.lstrip("-")


def duration(seconds: float | None) -> str:
    """Seconds as people say them: 48 s, 12 min, 3 h 05 min, 2.3 days; a dash where there are none."""
    if seconds is None:
        return ABSENT
    hours, minutes = divmod(round(seconds / 60), 60)
    if hours >= 48:
        return f"{hours / 24:.2g} days"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min" if seconds >= 90 else f"{ceil(seconds)} s"


def no_such(name: str, known: Iterable[str], what: str = "no such argument") -> str:
    """How an unknown argument is told, with the nearest of those that are known, or where they are listed."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"{name}: {what}; {f'did you mean {close[0]}?' if close else 'see `yolo cfg` for the list'}"


def counted(count: int, noun: str) -> str:
    """1 seed, 3 seeds."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def few(names: Sequence[str], most: int = 3) -> str:
    """The first of some names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def capital(text: str) -> str:
    """Text with its first letter large, for the start of a line; mAP stays mAP."""
    return text if text.startswith("mAP") else text[:1].upper() + text[1:]

"""What dropout was asked for: rate, place, kind and schedule, checked before any model is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Real
from typing import Any

from yolo_dropout.base.text import whole_number
from yolo_dropout.errors import SpecError

KINDS = ("auto", "dropout", "dropout2d", "dropblock", "drop_path")
PLACES = ("head", "head.cls", "head.box", "neck", "backbone")
SCHEDULES = ("constant", "linear", "early:N", "late:N")


@dataclass(frozen=True)
class Dropout:
    """Dropout for one training.

    Attributes:
        rate: Drop probability in [0, 1); 0.0 is the control.
        where: One of `PLACES`, another `head.<branch>`, or a regular expression on module names.
        kind: One of `KINDS`.
        schedule: `constant`; `linear` (0 in the first epoch to the rate in the last); `early:N` (from the rate
            linearly to 0 in N epochs, then 0); `late:N` (0 for N epochs, then the rate).

    Raises:
        SpecError: A field breaks its rule.

    References:
        Liu et al. 2023, "Dropout Reduces Underfitting" (early and late dropout).
    """

    rate: float = 0.0
    where: str = "head"
    kind: str = "auto"
    schedule: str = "constant"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", check_rate(self.rate))
        _check_where(self.where)
        if self.kind not in KINDS:
            raise SpecError(f"kind: must be one of {', '.join(KINDS)}, got {self.kind!r}")
        _parse(self.schedule)

    @property
    def arguments(self) -> dict[str, Any]:
        """As a training, and a treatment on the command line, take it: dropout, where, kind, schedule."""
        return {"dropout": self.rate, "where": self.where, "kind": self.kind, "schedule": self.schedule}

    def rate_at(self, epoch: int, epochs: int) -> float:
        """The rate in force during an epoch, counted from 0, of a training of so many: between 0 and `rate`."""
        name, n = _parse(self.schedule)
        if name == "linear" and epochs > 1:
            return self.rate * min(1.0, epoch / (epochs - 1))
        if name == "early":
            return self.rate * max(0.0, 1 - epoch / n)
        return 0.0 if name == "late" and epoch < n else self.rate

    def check_epochs(self, epochs: int, *, compiled: bool = False) -> None:
        """Refuse a schedule under which a rate above 0 would never act, or that `compile` would make slow.

        Raises:
            SpecError: `late:N` with N not below the number of epochs; or more than two rates with `compile`, where
                every change builds the network anew, eight times at most.
        """
        name, n = _parse(self.schedule)
        if name == "late" and n >= epochs and self.rate > 0:
            raise SpecError(
                f"schedule: late:N needs N below epochs={epochs}, got {self.schedule!r}: it would never act"
            )
        if compiled and len(rates := {self.rate_at(epoch, epochs) for epoch in range(epochs)}) > 2:
            raise SpecError(
                f"schedule: {self.schedule} has {len(rates)} rates, and compile would build the network anew for each; "
                "use compile=False, or constant or late:N"
            )


def check_rate(rate: object) -> float:
    """A rate as a float; a `SpecError` for what is no number in [0, 1)."""
    if isinstance(rate, bool) or not isinstance(rate, Real) or not 0 <= float(rate) < 1:
        raise SpecError(f"dropout: the rate must be a number in [0, 1), got {rate!r}")
    return float(rate)


def _check_where(where: object) -> None:
    if not isinstance(where, str) or not where:
        raise SpecError(f"where: must be one of {', '.join(PLACES)} or a regular expression, got {where!r}")
    try:
        re.compile(where)
    except (re.error, RecursionError, OverflowError) as error:
        raise SpecError(f"where: {where!r} is neither a place nor a regular expression: {error}") from error


def _parse(schedule: object) -> tuple[str, int]:
    if schedule in ("constant", "linear"):
        return str(schedule), 0
    name, _, count = str(schedule).partition(":")
    n = whole_number(count)
    if name not in ("early", "late") or n is None or n < 1:
        raise SpecError(f"schedule: must be one of {', '.join(SCHEDULES)} (N epochs, at least 1), got {schedule!r}")
    return name, n


def check_select(select: object) -> None:
    """Refuse what cannot select `best.pt`; a `SpecError`."""
    if select not in (None, "val/loss"):
        raise SpecError(f"select: must be val/loss, or left out for mAP or accuracy, got {select!r}")

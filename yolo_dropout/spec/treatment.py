"""What a run is given: dropout, and training arguments that differ from the study's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from yolo_dropout.base.text import rate_of, rate_text
from yolo_dropout.errors import SpecError
from yolo_dropout.sites.plan import Dropout
from yolo_dropout.spec.acting import ACTING
from yolo_dropout.spec.arguments import OLD_NAMES, check_train_arguments, known_arguments

_LONGEST = 80
_PLACES = ("where", "kind", "schedule")
_STUDYS = "the study sets it for all runs"
# Why scores would mean different things.
_UNLIKE = {
    "epochs": "a longer training has more chances at a good score",
    "imgsz": "its validation would see other images",
    "batch": "all runs share one estimate of memory; nbs changes how many images make a step",
    **dict.fromkeys(
        ("model", "data", "task", "split", "classes", "single_cls"), "other models or images are no remedy"
    ),
    **dict.fromkeys(
        ("seed", "project", "name", "save_dir", "exist_ok", "resume", "mode", "cfg", "val", "select"), _STUDYS
    ),
    "dropout": "that is not among its training arguments, but dropout=Dropout(0.1)",
    **dict.fromkeys(OLD_NAMES, "Ultralytics drops it, or takes it for another argument"),
    "distill_model": "its validation has losses that the others lack",
}


@dataclass(frozen=True)
class Treatment:
    """What a run is given beside what all runs of its study share.

    Attributes:
        name: What it is called, everywhere; the text of a rate, such as `0.1`, for one that is nothing but a rate.
        dropout: Its dropout; by default none.
        train: Arguments of `YOLO.train` that differ from the study's.

    Raises:
        SpecError: The name cannot be one, or an argument is unknown or would make scores mean different things.
    """

    name: str
    dropout: Dropout = field(default_factory=Dropout)
    train: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _checked_name(self.name))
        if not isinstance(self.dropout, Dropout):
            raise SpecError(f'treatments: "{self.name}" needs dropout=Dropout(0.1), got dropout={self.dropout!r}')
        for name in self.train if isinstance(self.train, Mapping) else ():
            if reason := why_refused(name):
                raise SpecError(f'treatments: "{self.name}" cannot change {name}: {reason}; leave it out')
        object.__setattr__(self, "train", check_train_arguments(self.train))

    @property
    def rate(self) -> float | None:
        """The rate that it is named by; None for one with a name of its own."""
        return rate_of(self.name)

    @property
    def slug(self) -> str:
        """What its runs' folders are called by: `p0.10` for a rate, `weight-decay-x10` for a name."""
        return slug(self.name)

    @property
    def fields(self) -> dict[str, Any]:
        """Plain values, as `treatments:` in YAML holds them below its name."""
        return (self.dropout.arguments if self.dropout.rate else {}) | dict(self.train)

    @property
    def words(self) -> str:
        """All that it changes, as on the command line: dropout=0.1 where=neck weight_decay=0.005."""
        default = Dropout().arguments
        return " ".join(f"{name}={value}" for name, value in self.fields.items() if value != default.get(name, ""))

    def place(self, argument: str) -> str:
        """Where one of its training arguments stands in a spec, in words."""
        return f'treatments: "{self.name}": {argument}'

    @classmethod
    def from_fields(cls, name: object, values: object, usual: Dropout) -> Treatment:
        """A treatment from plain values, or a `SpecError`; of its dropout, what is not given is as `usual` has it."""
        if not isinstance(values, Mapping):
            raise SpecError(f'treatments: "{name}" must hold arguments such as dropout=0.1 or weight_decay=0.005')
        train = dict(values)
        rate = train.pop("dropout", 0.0)
        places = {place: train.pop(place) for place in _PLACES if place in train}
        if places and not rate:
            raise SpecError(f'treatments: "{name}" has {next(iter(places))} without dropout; add dropout=0.1')
        return cls(str(name), replace(usual, rate=rate, **places) if rate else Dropout(rate), train)


class AllTreatments(tuple[Treatment, ...]):
    """All treatments of a spec as it holds them: a copy of the spec makes those of its rates anew."""


def all_treatments(given: Any, rates: tuple[float, ...], usual: Dropout) -> AllTreatments:
    """The treatments of the rates, whose dropout is else as `usual` has it, then the named ones of those given.

    Raises:
        SpecError: What is given is no treatment, or a rate that is not among the rates.
    """
    of_rates = tuple(Treatment(rate_text(rate), replace(usual, rate=rate)) for rate in rates)
    if isinstance(given, Mapping):
        given = [Treatment.from_fields(name, values, usual) for name, values in given.items()]
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise SpecError(f"treatments: must be names with arguments, such as dropout=0.1, got {given!r}")
    items = tuple(given)
    for item in items:
        if not isinstance(item, Treatment):
            raise SpecError(f"treatments: each must be a Treatment, got {item!r}")
        if not (isinstance(given, AllTreatments) or item.rate is None or item in of_rates):
            raise SpecError(f"treatments: {item.name} is a rate; give it with the rates, or another name")
    return AllTreatments((*of_rates, *(item for item in items if item.rate is None)))


def slug(treatment: str) -> str:
    """A treatment's name as part of a folder's; a rate is written in full, and with at least two decimals."""
    rate = rate_of(treatment)
    if rate is None:
        return re.sub(r"[^a-z0-9]+", "-", treatment.lower()).strip("-")
    short = f"{rate:.2f}"
    return f"p{short if float(short) == rate else repr(rate)}"


def _checked_name(name: object) -> str:
    text = name.strip() if isinstance(name, str) else ""
    if not text.isprintable() or not slug(text) or len(text) > _LONGEST:
        raise SpecError(
            f"treatments: a name must be up to {_LONGEST} characters with a letter or digit of ASCII, got {name!r}"
        )
    if rate_of(text) is None and _is_number(text):
        raise SpecError(f"treatments: a name must not be a number, got {name!r}; rates have their own place")
    return text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def why_refused(name: str) -> str | None:
    """Why no treatment may change an argument; None where one may, or where Ultralytics does not know it."""
    if name in ACTING or not (name in known_arguments() or name in _UNLIKE):
        return None
    return _UNLIKE.get(name, "it is about how runs are made or measured, and not about what they learn")

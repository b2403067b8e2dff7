"""What was asked: a study's spec, validated once, from arguments or YAML."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from yolo_dropout.arguments import check_train_arguments, known_arguments
from yolo_dropout.errors import SpecError
from yolo_dropout.score import Score
from yolo_dropout.sites.plan import DropoutPlan

DEFAULT_RATES = (0.0, 0.1, 0.2, 0.3, 0.5)
DEFAULT_SEEDS = (0, 1, 2)
_FIRST_LOOK = 3
_MOST_SEEDS = 1000


@dataclass(frozen=True)
class StudySpec:
    """What a study is asked to do.

    Args:
        model: A `.pt` or `.yaml` path, or a name that Ultralytics knows; as for `YOLO(...)`.
        data: A data YAML, a folder (classification), or a name that Ultralytics knows.
        rates: Drop probabilities in [0, 1). The control 0.0 is added when missing, and rates are sorted.
        seeds: The seeds, or how many (3 means 0, 1, 2).
        train: Arguments of `YOLO.train`, except those that the study sets itself.
        where: The sites: `head`, `head.cls`, `head.box`, `neck`, `backbone`, or a regular expression.
        kind: `auto`, `dropout`, `dropout2d`, `dropblock` or `drop_path`.
        schedule: `constant`, `linear`, `early:N` or `late:N`.
        score: What is compared, as `Score.parse` reads it.
        alpha: Family-wise error level of the verdict, in (0, 0.5).
        until_decided: Take the seeds in order, look at the scores now and then, and stop as soon as they decide.
        folds: Cross-validate over so many folds of all images, at least 2; None keeps the data set's own split.

    Raises:
        SpecError: A field breaks its rule.
    """

    model: str
    data: str
    rates: tuple[float, ...] = DEFAULT_RATES
    seeds: tuple[int, ...] = DEFAULT_SEEDS
    train: Mapping[str, Any] = field(default_factory=dict)
    where: str = "head"
    kind: str = "auto"
    schedule: str = "constant"
    score: str = "val/loss"
    alpha: float = 0.05
    until_decided: bool = False
    folds: int | None = None

    def __post_init__(self) -> None:
        values = {
            "model": _path_or_name("model", self.model),
            "data": _path_or_name("data", self.data),
            "rates": _rates(self.rates),
            "seeds": _seeds(self.seeds),
            "train": check_train_arguments(self.train),
            "score": str(Score.parse(self.score)),
            "alpha": _alpha(self.alpha),
            "until_decided": _until_decided(self.until_decided, self.seeds),
            "folds": _folds(self.folds, self.train, until_decided=self.until_decided),
            **{name: _words(name, getattr(self, name)) for name in ("where", "kind", "schedule")},
        }
        _check_dropout(values)
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def model_name(self) -> str:
        """The model's file name without folder and suffix."""
        return Path(self.model).stem

    @property
    def data_name(self) -> str:
        """The data set's file name without folder and suffix; a file called `data.yaml` goes by its folder."""
        path = Path(self.data)
        return path.parent.name if path.stem in ("data", "dataset") and path.parent.name else path.stem

    @property
    def epochs(self) -> int:
        """Epochs of a run; Ultralytics' default where they are not given.

        Raises:
            SpecError: They are no whole number of at least 1.
        """
        epochs = self.train.get("epochs", known_arguments()["epochs"])
        if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
            raise SpecError(f"epochs: must be a whole number of at least 1, got {epochs!r}; for instance epochs=50")
        return epochs

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as `study.yaml` holds them."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        return plain | {"rates": list(self.rates), "seeds": list(self.seeds), "train": dict(self.train)}

    @classmethod
    def from_dict(cls, values: object, source: str = "spec") -> StudySpec:
        """Build a spec from plain values.

        Args:
            values: What a YAML file held.
            source: Where they came from, for messages.

        Raises:
            SpecError: A field is unknown, missing, or breaks its rule.
        """
        if not isinstance(values, Mapping):
            raise SpecError(f"{source}: must hold `field: value` lines, got {type(values).__name__}")
        known = [item.name for item in fields(cls)]
        for name in values:
            if name not in known:
                raise SpecError(f"{source}: unknown field {name!r}; the fields are {', '.join(known)}")
        for name in ("model", "data"):
            if name not in values:
                raise SpecError(f"{source}: {name} is missing; add `{name}: …`")
        return cls(**values)


def _path_or_name(name: str, value: object) -> str:
    """Make a path absolute where it exists, so that a study means the same from every folder."""
    if not isinstance(value, (str, Path)) or not str(value).strip():
        raise SpecError(f"{name}: must be a path or a name, got {value!r}")
    text = str(value).strip()
    if re.match(r"[a-z]+://", text):
        return text
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # `~name` of nobody
        return text
    return str(path.resolve()) if path.exists() else text


def _rates(values: object) -> tuple[float, ...]:
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


def _seeds(values: object) -> tuple[int, ...]:
    if isinstance(values, int) and not isinstance(values, bool):
        if values < 1:
            raise SpecError(f"seeds: a count must be at least 1, got {values}")
        if values > _MOST_SEEDS:
            raise SpecError(f"seeds: a count must be at most {_MOST_SEEDS}, got {values}")
        return tuple(range(values))
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise SpecError(f"seeds: must be a count or a list of whole numbers, got {values!r}")
    seeds = list(values)
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise SpecError(f"seeds: each must be a whole number of at least 0, got {seed!r}")
    if not seeds:
        raise SpecError("seeds: at least one is needed, got none; for instance --seeds 3")
    repeated = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if repeated is not None:
        raise SpecError(f"seeds: each must be given once, got {repeated} repeatedly")
    return tuple(sorted(seeds))


def _alpha(value: object) -> float:
    alpha = _number("alpha", value)
    if not 0 < alpha < 0.5:
        raise SpecError(f"alpha: must be in (0, 0.5), got {value}")
    return alpha


def _check_dropout(values: Mapping[str, Any]) -> None:
    """Raise what is wrong with place, kind and schedule now, and not in the first run."""
    plan = DropoutPlan(values["rates"][-1], values["where"], values["kind"], values["schedule"])
    epochs = values["train"].get("epochs")
    if isinstance(epochs, int):
        plan.check_epochs(epochs)


def _words(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SpecError(f"{name}: must be a word, got {value!r}")
    return value.strip()


def _until_decided(value: object, seeds: object) -> bool:
    if not isinstance(value, bool):
        raise SpecError(f"until_decided: must be true or false, got {value!r}")
    n = len(_seeds(seeds))
    if value and n < _FIRST_LOOK:
        raise SpecError(f"seeds: until_decided needs at least {_FIRST_LOOK}, got {n}; use --max-seeds 12")
    return value


def _folds(value: object, train: Mapping[str, Any], *, until_decided: bool) -> int | None:
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

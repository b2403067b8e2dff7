"""What was asked: a study's spec, validated once, from arguments or YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from yolo_dropout.errors import SpecError
from yolo_dropout.sites.plan import DropoutPlan
from yolo_dropout.spec.arguments import check_train_arguments, known_arguments
from yolo_dropout.spec.fields import (
    checked_alpha,
    checked_folds,
    checked_rates,
    checked_seeds,
    checked_until_decided,
    path_or_name,
    word,
)
from yolo_dropout.spec.score import Score

DEFAULT_RATES = (0.0, 0.1, 0.2, 0.3, 0.5)
DEFAULT_SEEDS = (0, 1, 2)
# Where seeds are added until it is clear: as many may be used, unless told otherwise.
MOST_LOOKED_AT = 12


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
        schedule: `constant`; `linear`, from 0 up to the rate; `early:N`, from the rate down to 0 in N epochs;
            `late:N`, 0 for N epochs, then the rate.
        score: What is compared: a column of `results.csv`, or `val/loss`, the sum of the validation losses; with
            `@min`, `@max`, `@best` (at the epoch of `best.pt`) or `@last5` (mean of the last five epochs). Without
            one of these, the better of minimum and maximum.
        alpha: Family-wise error level of the verdict, in (0, 0.5).
        until_decided: Take the seeds in order, look at the scores after each from the third on, and stop as soon as
            they decide. `seeds` is then the most that may be used: give more than the default, such as 12.
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
            "model": path_or_name("model", self.model),
            "data": path_or_name("data", self.data),
            "rates": checked_rates(self.rates),
            "seeds": checked_seeds(self.seeds),
            "train": check_train_arguments(self.train),
            "score": str(Score.parse(self.score)),
            "alpha": checked_alpha(self.alpha),
            "until_decided": checked_until_decided(self.until_decided, self.seeds),
            "folds": checked_folds(self.folds, self.train, until_decided=self.until_decided),
            **{name: word(name, getattr(self, name)) for name in ("where", "kind", "schedule")},
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        plan = DropoutPlan(self.rates[-1], self.where, self.kind, self.schedule)
        plan.check_epochs(self.epochs, compiled=bool(self.train.get("compile")))  # now, and not in the first run

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
        many = {"seeds": MOST_LOOKED_AT} if values.get("until_decided") is True else {}
        return cls(**(many | dict(values)))

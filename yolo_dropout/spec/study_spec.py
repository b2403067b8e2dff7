"""What was asked: a study's spec, validated once, from arguments or YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from yolo_dropout.base.text import Label, no_such
from yolo_dropout.errors import SpecError
from yolo_dropout.sites.plan import Dropout, check_select
from yolo_dropout.spec import rules
from yolo_dropout.spec.acting import LOSS_WEIGHTS
from yolo_dropout.spec.arguments import OLD_NAMES, check_train_arguments, known_arguments
from yolo_dropout.spec.score import Score
from yolo_dropout.spec.treatment import Treatment, all_treatments

_USUAL_RATES = (0.0, 0.1, 0.3)


@dataclass(frozen=True)
class StudySpec:
    """What a study is asked to do.

    Args:
        model: A `.pt` or `.yaml` path, or a name that Ultralytics knows; as for `YOLO(...)`.
        data: A data YAML, a folder (classification), or a name that Ultralytics knows.
        rates: Drop probabilities in [0, 1). The control 0.0 is added when missing, and rates are sorted. With
            `treatments`, the control alone unless more are given.
        seeds: The seeds, or how many (3 means 0, 1, 2).
        train: Arguments of `YOLO.train`, except those that the study sets itself.
        where: The sites: `head`, `head.cls`, `head.box`, `neck`, `backbone`, or a regular expression.
        kind: `auto`, `dropout`, `dropout2d`, `dropblock` or `drop_path`.
        schedule: `constant`; `linear`, from 0 up to the rate; `early:N`, from the rate down to 0 in N epochs;
            `late:N`, 0 for N epochs, then the rate.
        score: What is compared: a column of `results.csv`, a short name such as `mAP50-95` or `top1`, or `val/loss`,
            the sum of the validation losses; with `@min`, `@max`, `@min5` (the minimum of a mean over five epochs),
            `@best` (at the epoch of `best.pt`) or `@last5` (mean of the last five epochs). Without one of these, the
            better of minimum and maximum.
        alpha: Family-wise error level of the verdict, in (0, 0.5).
        until_decided: Take the seeds in order, look at the scores after each from the third on, and stop as soon as
            they decide. `seeds` is then the most that may be used: give more than the default, such as 12.
        folds: Cross-validate over so many folds of all images, at least 2; None keeps the data set's own split.
        treatments: What is compared beside the rates, in order: each a `Treatment`, or as a mapping of names to
            arguments. The spec holds all treatments: the control first, then a treatment for every other rate, then
            these. Of equals the earlier one is taken.
        min_gain: The smallest improvement that matters, above 0 in units of the score; by default one standard
            deviation of the control's scores.
        max_seeds: How many seeds the study may come to have. The verdict on n of them spends n / max_seeds of
            `alpha`, so that seeds up to that number can be added after it was seen. With None, the verdict is meant to
            be the last one, as with `folds`. With `until_decided` it is the number of `seeds`.
        select: `val/loss` makes `best.pt` and `patience` follow the validation loss in all runs, and no metric.

    Raises:
        SpecError: A field breaks its rule.
    """

    model: str
    data: str
    rates: tuple[float, ...] = _USUAL_RATES
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    train: Mapping[str, Any] = field(default_factory=dict)
    where: str = "head"
    kind: str = "auto"
    schedule: str = "constant"
    score: str = "val/loss"
    alpha: float = 0.05
    until_decided: bool = False
    folds: int | None = None
    treatments: tuple[Treatment, ...] = ()
    min_gain: float | None = None
    max_seeds: int | None = rules.MOST_LOOKED_AT
    select: str | None = None

    def __new__(cls, *_values: Any, **given: Any) -> StudySpec:
        """Tell a name that is no field in one line, and where arguments of a training go."""
        known = [item.name for item in fields(cls)]
        for name in (name for name in given if name not in known):
            if name not in known_arguments():
                raise SpecError(no_such(name, [*known, *known_arguments()]))
            check_train_arguments({name: given[name]})  # some are the study's own
            raise SpecError(f"{name}: is an argument of YOLO.train; write train={{{name!r}: {given[name]!r}}}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        alone = bool(self.treatments) and self.rates is _USUAL_RATES
        # Each rule takes what was given, and returns it as the spec holds it or raises.
        values = {
            "model": rules.path_or_name("model", self.model),
            "data": rules.path_or_name("data", self.data),
            "rates": (0.0,) if alone else rules.rates(self.rates, others=bool(self.treatments)),
            "seeds": rules.seeds(self.seeds),
            "train": check_train_arguments(self.train),
            "score": str(Score.parse(self.score)),
            "alpha": rules.alpha(self.alpha),
            "until_decided": rules.until_decided(self.until_decided, self.seeds),
            "min_gain": rules.min_gain(self.min_gain),
            "max_seeds": None if self.until_decided or self.folds else rules.max_seeds(self.max_seeds),
            "folds": rules.folds(self.folds, self.train, until_decided=self.until_decided),
            **{name: rules.word(name, getattr(self, name)) for name in ("where", "kind", "schedule")},
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if self.until_decided and self.max_seeds is not None:
            object.__setattr__(self, "max_seeds", len(self.seeds))
        check_select(self.select)
        epochs = self.train.get("epochs", 1)
        sound = isinstance(epochs, int) and not isinstance(epochs, bool) and epochs >= 1
        rules.must(sound, f"epochs: must be a whole number of at least 1, got {epochs!r}; for instance epochs=50")
        usual = Dropout(0.0, self.where, self.kind, self.schedule)
        object.__setattr__(self, "treatments", all_treatments(self.treatments, self.rates, usual))
        _check_treatments(self)
        n_runs, most = len(self.treatments) * len(self.seeds) * (self.folds or 1), rules.MOST_RUNS
        early = self.until_decided and Score.parse(self.score).measured_by
        rules.must(not early, f"score: {self.score} is known when all runs have ended; leave until_decided out")
        rules.must(n_runs <= most, f"runs: at most {most} can be planned, got {n_runs}; use fewer seeds or folds")

    @property
    def named(self) -> tuple[Treatment, ...]:
        """The treatments that are more than a rate."""
        return self.treatments[len(self.rates) :]

    @property
    def labels(self) -> tuple[Label, ...]:
        """What tables call the treatments, in their order: their rates where they are nothing else, or their names."""
        return tuple(item.name for item in self.treatments) if self.named else self.rates

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Of each treatment that combines others, by name, the names of these: all that they change, it changes too."""
        fields = {item.name: item.fields for item in self.treatments[1:]}
        found = {
            name: tuple(part for part, less in fields.items() if less.items() < whole.items())
            for name, whole in fields.items()
        }
        return {name: parts for name, parts in found.items() if parts}

    def treatment(self, name: str) -> Treatment:
        """The treatment of that name; a `KeyError` where there is none."""
        return {item.name: item for item in self.treatments}[name]

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
        """Epochs of a run; Ultralytics' default where they are not given."""
        return int(self.train.get("epochs", known_arguments()["epochs"]))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as `study.yaml` holds them."""
        plain = {item.name: getattr(self, item.name) for item in fields(self)}
        plain |= {"rates": list(self.rates), "seeds": list(self.seeds), "train": dict(self.train)}
        del plain["treatments"]
        for name in ("min_gain", "max_seeds", "select"):
            if plain[name] is None:  # as in studies that were made before there was such a field
                del plain[name]
        return plain | ({"treatments": {item.name: item.fields for item in self.named}} if self.named else {})

    @classmethod
    def of(cls, given: Mapping[str, Any], also: Iterable[str] = ()) -> StudySpec:
        """A spec of keywords: fields, where None stands for nothing, and the rest are arguments of `YOLO.train`.

        Args:
            given: The keywords.
            also: What else the caller takes, and may have been meant.

        Raises:
            SpecError: A name is unknown, or a field breaks its rule.
        """
        known = [item.name for item in fields(cls)]
        # Only of `max_seeds` has None a meaning of its own.
        ours = {name: value for name, value in given.items() if name in known and value is not None}
        ours |= {"max_seeds": None} if given.get("max_seeds", 0) is None else {}
        train = {name: value for name, value in given.items() if name not in known}
        for name in train.keys() - known_arguments().keys() - OLD_NAMES:
            raise SpecError(no_such(name, [*known, *also, *known_arguments()]))
        return cls.from_dict(ours | ({"train": {**ours.get("train", {}), **train}} if train else {}), "run_study")

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
            rules.must(name in known, f"{source}: unknown field {name!r}; the fields are {', '.join(known)}")
        for name in ("model", "data"):
            rules.must(name in values, f"{source}: {name} is missing; add `{name}: …`")
        most = values.get("max_seeds") or rules.MOST_LOOKED_AT
        many = {"seeds": most} if values.get("until_decided") is True else {}
        return cls(**(many | dict(values)))


def _check_treatments(spec: StudySpec) -> None:
    """Refuse treatments that cannot be told apart, or whose scores would not compare."""
    names, contents = dict[str, str](), list[tuple[object, str]]()
    by_loss = Score.parse(spec.score).column.startswith("val/")
    for item in spec.treatments:
        item.dropout.check_epochs(spec.epochs, compiled=bool(spec.train.get("compile")))  # not only in the first run
        content = item.dropout if item.dropout.rate else None, {**known_arguments(), **spec.train, **item.train}
        twin, same = names.setdefault(item.slug, item.name), next((n for c, n in contents if c == content), item.name)
        contents.append((content, item.name))
        clash = f'treatments: "{item.name}" and "{twin}" would have the same folders ({item.slug}); rename one'
        rules.must(twin is item.name, clash)
        rules.must(same is item.name, f'treatments: "{item.name}" trains as {same} does; leave one out')
        if weights := sorted(LOSS_WEIGHTS & item.train.keys() if by_loss else ()):
            raise SpecError(
                f'treatments: "{item.name}" cannot change {weights[0]}: it weighs the validation losses, by which this '
                'study judges; use a metric, such as --score "metrics/mAP50-95(B)"'
            )
        rules.folds(spec.folds, {**spec.train, **item.train}, until_decided=spec.until_decided)

"""What the words of `sweep` ask for: a spec, a folder, counts and times."""

from __future__ import annotations

import re
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from yolo_dropout.base.text import whole_number
from yolo_dropout.errors import SpecError
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.study_file import StudyFile, read_config, stored_study
from yolo_dropout.spec.arguments import parse_key_values
from yolo_dropout.spec.embedded import embedded_path
from yolo_dropout.spec.remedies import RATES
from yolo_dropout.spec.rules import MOST_LOOKED_AT, check_number_of_seeds
from yolo_dropout.spec.study_spec import StudySpec

_LONGEST_S = 1e8  # three years, which a clock of any system can wait for
_PLAIN_OPTIONS = ("score", "alpha", "min_gain", "select", "where", "kind", "schedule")
_WHOLE_OPTIONS = ("folds", "max_seeds")


def spec_from(options: Namespace) -> StudySpec:
    """The spec that the words ask for: a config or the embedded study, then what is given beside it."""
    given = parse_key_values(options.key_values)
    values = _base(options.config, given)
    for name in given.keys() & {"model", "data"}:
        values[name] = value if isinstance(value := given.pop(name), list) else str(value)  # a rule refuses lists
    train = values.get("train") or {}
    values["train"] = {**train, **given} if isinstance(train, dict) else train  # a spec's rule refuses what is no dict
    values |= _treatments(options, values)
    values |= _blocks(options, values)
    for name in _WHOLE_OPTIONS:
        if (word := getattr(options, name)) is not None:
            values[name] = word if (number := whole_number(word)) is None else number
    values |= {name: getattr(options, name) for name in _PLAIN_OPTIONS if getattr(options, name) is not None}
    return StudySpec.from_dict(values, options.config or "sweep")


def _treatments(options: Namespace, config: Mapping[str, Any]) -> dict[str, Any]:
    """What `--rates`, `--treatment` and `--remedies` ask for, beside a config; without rates, not those of the demo."""
    named = [_treatment(words) for words in options.treatment or ()]
    if twice := [name for name, count in Counter(name for name, _ in named).items() if count > 1]:
        raise SpecError(f'treatment: "{twice[0]}" must be given once; use another name')
    before = config.get("treatments") or {}
    asked: dict[str, Any] = {"treatments": {**before, **dict(named)}} if named and isinstance(before, Mapping) else {}
    if options.rates is not None:
        return asked | {"rates": tuple(parts(options.rates))}
    if options.config is None and (named or options.remedies):
        return asked | {"rates": RATES if options.remedies else (0.0,)}
    return asked


def _treatment(words: str) -> tuple[str, dict[str, Any]]:
    name, colon, fields = words.partition(":")
    if not colon or not fields.strip():
        told = 'for instance "weight decay x10: weight_decay=0.005"'
        raise SpecError(f"treatment: must be a name, a colon, and key=value, got {words!r}; {told}")
    return name.strip(), parse_key_values(fields.split())


def with_stored(spec: StudySpec, folder: StudyFolder, *, rates_given: bool) -> StudySpec:
    """A spec with the rates and treatments that the study in the folder has: only a new one need be named."""
    stored: StudyFile | str = ""
    with suppress(SpecError, OSError):  # which the study itself tells
        stored = stored_study(folder)
    if isinstance(stored, str):
        return spec
    rates = {*stored.spec.rates, *(spec.rates if rates_given else ())}
    named = {item.name: item for item in (*stored.spec.named, *spec.named)}  # what is given anew tells what differs
    return replace(spec, rates=tuple(rates), treatments=tuple(named.values()))


def _blocks(options: Namespace, config: Mapping[str, Any]) -> dict[str, Any]:
    """What `--seeds`, `--until-decided` and `--max-seeds` ask for, beside a config."""
    already = bool(config.get("until_decided"))
    if options.max_seeds is not None and (options.until_decided or already):
        if options.seeds is not None:
            raise SpecError(f"max-seeds: cannot go with --seeds, got {options.max_seeds}; leave one out")
        return {"until_decided": True, "seeds": _seeds([options.max_seeds])}
    if options.max_seeds is not None and options.folds is not None:
        raise SpecError(f"max-seeds: cannot go with --folds, got {options.max_seeds}; leave one out")
    seeds = {} if options.seeds is None else {"seeds": _seeds(options.seeds)}
    if options.until_decided and not already:
        named = options.config is not None and isinstance(config.get("seeds"), list)
        return {"until_decided": True, **({} if named else {"seeds": MOST_LOOKED_AT}), **seeds}
    return seeds


def _base(config: str | None, given: dict[str, Any]) -> dict[str, Any]:
    if config is not None:
        return read_config(Path(config))
    asked = [name for name in ("model", "data") if name in given]
    if not asked:
        return read_config(embedded_path("digits-detect/study.yaml"))
    if len(asked) == 1:
        other = {"model": "data=coco8.yaml", "data": "model=yolo26n.pt"}[asked[0]]
        raise SpecError(f"{asked[0]}: needs the other too; add for instance {other}, or leave both out for the demo")
    return {}


def parts(words: Sequence[str]) -> list[str]:
    """The words of an option that takes many, with commas or spaces between them."""
    return [part for word in words for part in word.split(",") if part]


def sets(words: Sequence[str]) -> list[str]:
    """The sets of corruptions that `--shift` or `--corruptions` names; by default the 15 of the benchmark."""
    return parts(words) or ["benchmark"]


def _seeds(words: Sequence[str]) -> int | tuple[int, ...]:
    """One number is a count; several numbers, or a span such as 3-7, are the seeds themselves."""
    words = parts(words)
    if len(words) == 1 and (number := whole_number(words[0])) is not None:
        return number
    return tuple(seed for word in words for seed in _span(word))


def _span(word: str) -> range:
    ends = re.fullmatch(r"(-?[0-9]{1,18})(?:-([0-9]{1,18}))?", word)
    first, last = (int(end or ends[1]) for end in ends.groups()) if ends else (0, -1)
    if last < first:
        raise SpecError(f"seeds: must be whole numbers, got {word!r}; for instance --seeds 5, 3 7 9, or 3-7")
    check_number_of_seeds(last - first + 1)
    return range(first, last + 1)


def count(name: str, word: str | None) -> int | None:
    """A number of at least 1; None for `auto`, or where none was given."""
    if word is None or word == "auto":
        return None
    if not re.fullmatch(r"[1-9]\d{0,3}", word):
        raise SpecError(f"{name}: must be auto or a whole number of at least 1, got {word!r}")
    return int(word)


def seconds(name: str, word: str | None) -> float | None:
    """A time above 0; None where none was given."""
    if word is None:
        return None
    try:
        number = float(word)
    except ValueError:
        number = 0.0
    if not 0 < number <= _LONGEST_S:
        raise SpecError(f"{name}: must be a number of seconds above 0, {_LONGEST_S:.0f} at most, got {word!r}")
    return number

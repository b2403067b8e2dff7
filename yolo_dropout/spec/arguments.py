"""Arguments of `YOLO.train`: read from `key=value`, checked against Ultralytics' own list.

The list is read from Ultralytics' `cfg/default.yaml` without importing Ultralytics, which takes seconds.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from yolo_dropout.base.files import check_values, parse_yaml
from yolo_dropout.base.text import no_such
from yolo_dropout.errors import SpecError

SET_BY_STUDY = {
    "dropout": "use --rates, for instance --rates 0 {value}",
    "seed": "use --seeds, for instance --seeds {value}",
    **dict.fromkeys(("project", "name", "save_dir", "exist_ok"), "use --out for the study's folder"),
    "resume": "run the same sweep command again: it does what is missing",
    "model": "give it once, as the study's model",
    "data": "give it once, as the study's data",
    "mode": "a study trains; leave it out",
    "cfg": "write its arguments out, or put them under train: in --config study.yaml",
}

# Names of before, which Ultralytics still takes: it puts what they mean into others, or drops them.
OLD_NAMES = frozenset(
    (
        *("half", "int8", "end2end", "boxes", "hide_labels", "hide_conf", "line_thickness"),
        *("label_smoothing", "save_hybrid", "crop_fraction", "keras"),
    )
)

# Arguments of a training that leave its numbers as they are, beside the two that a study varies.
NO_MATTER = frozenset(
    (
        *("dropout", "seed", "name", "project", "save_dir", "exist_ok", "device", "workers", "verbose", "plots"),
        *("save", "save_period", "save_json", "save_txt", "save_conf", "show", "resume", "mode"),
    )
)


@lru_cache(maxsize=1)
def known_arguments() -> Mapping[str, Any]:
    """Names and default values of all arguments that the installed Ultralytics knows; a `SpecError` without it."""
    found = find_spec("ultralytics")
    if found is None or found.origin is None:
        raise SpecError("ultralytics: is not installed; run `pip install ultralytics`")
    file = Path(found.origin).parent / "cfg" / "default.yaml"
    return dict(parse_yaml(file.read_text(encoding="utf-8")))


def check_train_arguments(train: object) -> dict[str, Any]:
    """Check the names of training arguments; Ultralytics checks their values.

    Returns:
        The arguments, sorted by name, as YAML gives them back.

    Raises:
        SpecError: A name is unknown, or belongs to the study, or a value is none that YAML can hold.
    """
    if not isinstance(train, Mapping):
        raise SpecError(f"train: must map arguments of YOLO.train to values, got {train!r}")
    try:
        check_values(train)
    except ValueError as error:
        raise SpecError(f"train: cannot hold such arguments ({error}); write them as on the command line") from error
    for name, value in train.items():
        if name in SET_BY_STUDY:
            raise SpecError(f"{name}: the study sets it, got {name}={value}; {SET_BY_STUDY[name].format(value=value)}")
        if name not in known_arguments() and name not in OLD_NAMES:
            told = f"is no argument of YOLO.train, got {name}={value}"
            raise SpecError(no_such(str(name), known_arguments(), told))
    if train.get("val", True) is not True:
        raise SpecError(f"val: must stay on, got val={train['val']}; a study compares validation losses by epoch")
    if train.get("time"):
        raise SpecError(
            f"time: must be left out, got time={train['time']}: the clock would set epochs and learning rates, and the "
            "runs of a seed would differ by more than dropout; use epochs=50"
        )
    return {name: _plain(name, train[name]) for name in sorted(train)}


def _plain(name: str, value: Any) -> Any:
    """A value as `study.yaml` holds it: lists for tuples, Python's numbers for numpy's, texts for paths."""
    value = value.tolist() if hasattr(value, "tolist") else str(value) if isinstance(value, Path) else value
    if isinstance(value, (list, tuple)):
        return [_plain(name, item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(name, item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise SpecError(f"{name}: must be numbers or text, got {value!r}; write it as on the command line")


def parse_key_values(words: Iterable[str]) -> dict[str, Any]:
    """Read `key=value` words as Ultralytics' own command line does; a `SpecError` for others, and for a key twice."""
    values: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key or not value:
            raise SpecError(f"argument: must be key=value, got {word!r}; for instance epochs=50")
        if key in values:
            raise SpecError(f"{key}: must be given once, got {key}={values[key]} and {word}")
        values[key] = _parse_value(value)
    return values


def _parse_value(text: str) -> Any:
    """As Ultralytics' `smart_value`: none, true, false, a Python literal, or else the text itself."""
    words = {"none": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text

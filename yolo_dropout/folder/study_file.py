"""`study.yaml` and other YAML: which spec a study folder belongs to, and what was found when it began."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from yolo_dropout.base.files import check_values, parse_yaml, set_aside, write_text
from yolo_dropout.errors import SpecError
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.spec.rules import LEAST_SEEDS
from yolo_dropout.spec.study_spec import StudySpec

# What study.yaml holds beside the spec: facts found when the study began.
_FACTS: dict[str, type] = {"inputs": dict, "prepared": dict, "looked": list}
_PREPARED = {**dict.fromkeys(("n_train", "n_val", "n_classes", "n_images"), int), "notes": list, "versions": dict}
# A thousand seeds take a hundredth of it, and to read so much takes seconds.
_LARGEST = 500_000


@dataclass(frozen=True)
class StudyFile:
    """What `study.yaml` holds.

    Attributes:
        spec: What was asked, in full.
        inputs: SHA-256 of the model file and the data YAML, where they were files.
        prepared: What was found before the first run.
        looked: The numbers of seeds whose verdict was there when more were asked for.
    """

    spec: StudySpec
    inputs: Mapping[str, str] = field(default_factory=dict)
    prepared: Mapping[str, Any] = field(default_factory=dict)
    looked: Sequence[int] = ()


def read_yaml(path: Path) -> Any:
    """Read a YAML file, safely; a `SpecError` where it cannot be read or is no YAML."""
    try:
        values = parse_yaml(_text(path))
        check_values(values)
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except RecursionError as error:
        raise SpecError(f"{path}: is no valid YAML (nested too deeply); mend it") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or ("not text" if isinstance(error, UnicodeError) else error)
        raise SpecError(f"{path}: is no valid YAML ({problem}{place}); mend it") from error
    return values


def _text(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if len(text) > _LARGEST:
        raise ValueError(f"more than {_LARGEST} characters")
    return text


def read_config(path: Path) -> dict[str, Any]:
    """Read a study's fields from YAML; paths that exist beside the file are taken from there."""
    return _fields(path, read_yaml(path))


def _fields(path: Path, values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise SpecError(f"{path}: must hold `field: value` lines, got {type(values).__name__}")
    fields = {name: value for name, value in values.items() if name not in _FACTS}
    for name in fields.keys() & {"model", "data"}:
        with contextlib.suppress(OSError):  # a name that is too long
            if (beside := path.parent / str(fields[name])).exists():
                fields[name] = str(beside.resolve())
    return fields


def _read(path: Path) -> StudyFile:
    values = read_yaml(path)
    if isinstance(values, dict):  # a study without such a field was made to be looked at once
        values.setdefault("max_seeds", None)
    spec = StudySpec.from_dict(_fields(path, values), str(path))
    facts = {name: values[name] for name, kind in _FACTS.items() if isinstance(values.get(name), kind)}
    found = facts.get("prepared", {}).items()
    return StudyFile(spec, **facts | {"prepared": {name: value for name, value in found if _is_fact(name, value)}})


def _is_fact(name: str, value: object) -> bool:
    kind = _PREPARED.get(name, object)
    return isinstance(value, kind) and (kind is not list or all(isinstance(item, str) for item in value))  # type: ignore[attr-defined]


def read_study_file(folder: StudyFolder) -> StudyFile:
    """Read `study.yaml`, in which a fact that somebody has spoilt counts as none; a `SpecError` tells the way out."""
    try:
        return _read(folder.spec)
    except SpecError as error:
        if not folder.has_ended_runs:
            raise
        raise SpecError(f"{error}; or run the study's sweep again, which writes it anew") from error


def stored_study(folder: StudyFolder) -> StudyFile | str:
    """What `study.yaml` holds, or why it must be written anew: it is lost, or broken and there are runs to go by.

    Raises:
        SpecError: It is broken, and no run has ended that could say whose study this is.
    """
    if not folder.spec.exists() or folder.spec.stat().st_size == 0:
        return f"{folder.spec}: is missing or empty"
    try:
        return _read(folder.spec)
    except SpecError as error:
        if not folder.has_ended_runs:
            raise
        return str(error)


def write_study_file(
    folder: StudyFolder, spec: StudySpec, prepared: Mapping[str, Any], stored: StudyFile | str = ""
) -> None:
    """Write `study.yaml`: the spec in full, the inputs' digests, what preparing found, and earlier looks.

    A file of which `stored_study` has read nothing is set aside. How many seeds may be added was fixed when it began.
    """
    looked: list[int] = []
    if isinstance(stored, StudyFile):
        spec = replace(spec, max_seeds=stored.spec.max_seeds)
        n = len(stored.spec.seeds)
        # Fewer seeds than the least can make no rate win, so that a look at them gives nothing away.
        more = folder.verdict.exists() and len(spec.seeds) > n >= LEAST_SEEDS
        looked = [*stored.looked, *([n] if more else [])]
    elif folder.spec.exists() and folder.spec.stat().st_size:
        set_aside(folder.spec)
    facts = {"inputs": digests(spec), "prepared": dict(prepared), "looked": looked}
    write_text(folder.spec, yaml.safe_dump(spec.as_dict() | facts, sort_keys=False, allow_unicode=True))


def digests(spec: StudySpec) -> dict[str, str]:
    """SHA-256 of the model file and the data YAML, where they are files."""
    paths = {"model": Path(spec.model), "data": Path(spec.data)}
    return {name: sha256(path.read_bytes()).hexdigest() for name, path in paths.items() if path.is_file()}

"""`study.yaml` and other YAML: which spec a study folder belongs to, and what was found when it began."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from yolo_dropout.base.files import set_aside, write_text
from yolo_dropout.errors import SpecError
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.spec.study_spec import LEAST_SEEDS
from yolo_dropout.spec.study_spec import StudySpec

# What study.yaml holds beside the spec: facts found when the study began.
_FACTS: dict[str, type] = {"inputs": dict, "prepared": dict, "looked": list}
_WAY_OUT = "; or run the study's sweep again, which writes it anew"


def read_yaml(path: Path) -> Any:
    """Read a YAML file, safely.

    Raises:
        SpecError: It cannot be read or is no YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except RecursionError as error:
        raise SpecError(f"{path}: is no valid YAML (nested too deeply); mend it") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not text"
        raise SpecError(f"{path}: is no valid YAML ({problem}{place}); mend it") from error


def read_config(path: Path) -> dict[str, Any]:
    """Read a study's fields from YAML; paths that exist beside the file are taken from there.

    Raises:
        SpecError: The file cannot be read, is no YAML, or holds no fields.
    """
    return _fields(path, read_yaml(path))


def _fields(path: Path, values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise SpecError(f"{path}: must hold `field: value` lines, got {type(values).__name__}")
    fields = {name: value for name, value in values.items() if name not in _FACTS}
    for name in ("model", "data"):
        beside = path.parent / str(fields.get(name, ""))
        with contextlib.suppress(OSError):  # a name that is too long
            if name in fields and beside.exists():
                fields[name] = str(beside.resolve())
    return fields


def read_study_file(folder: StudyFolder) -> tuple[StudySpec, dict[str, Any]]:
    """Read `study.yaml`.

    Returns:
        The spec, and the facts: `inputs` and `prepared`, found when the study began, and `looked`, the numbers of
        seeds whose verdict was there when more were asked for.

    Raises:
        SpecError: The file is missing or broken.
    """
    try:
        values = read_yaml(folder.spec)
        spec = StudySpec.from_dict(_fields(folder.spec, values), str(folder.spec))
    except SpecError as error:
        if not _runs_have_ended(folder):
            raise
        raise SpecError(f"{error}{_WAY_OUT}") from error
    return spec, {name: values[name] if isinstance(values.get(name), kind) else kind() for name, kind in _FACTS.items()}


def study_file_fault(folder: StudyFolder) -> str | None:
    """Why `study.yaml` must be written anew: it is not there, or broken and there are runs to go by; else None.

    Raises:
        SpecError: It is broken, and no run has ended that could say whose study this is.
    """
    if not folder.spec.exists() or folder.spec.stat().st_size == 0:
        return f"{folder.spec}: is missing or empty"
    try:
        read_study_file(folder)
    except SpecError as error:
        if not _runs_have_ended(folder):
            raise
        return str(error).removesuffix(_WAY_OUT)
    return None


def _runs_have_ended(folder: StudyFolder) -> bool:
    return any(run.record.exists() for run in folder.run_folders)


def write_study_file(folder: StudyFolder, spec: StudySpec, prepared: Mapping[str, Any]) -> None:
    """Write `study.yaml`: the spec in full, the inputs' digests, what preparing found, and earlier looks.

    Raises:
        StudyFolderError: The file cannot be written.
    """
    fault = study_file_fault(folder)
    if fault and folder.spec.exists() and folder.spec.stat().st_size:
        set_aside(folder.spec)
    facts = {"inputs": digests(spec), "prepared": dict(prepared), "looked": [] if fault else _looked(folder, spec)}
    write_text(folder.spec, yaml.safe_dump(spec.as_dict() | facts, sort_keys=False, allow_unicode=True))


def _looked(folder: StudyFolder, spec: StudySpec) -> list[int]:
    stored, facts = read_study_file(folder)
    # Fewer seeds than the least can make no rate win, so that a look at them gives nothing away.
    more = folder.verdict.exists() and len(spec.seeds) > len(stored.seeds) >= LEAST_SEEDS
    return [*facts["looked"], *([len(stored.seeds)] if more else [])]


def digests(spec: StudySpec) -> dict[str, str]:
    """SHA-256 of the model file and the data YAML, where they are files."""
    paths = {"model": Path(spec.model), "data": Path(spec.data)}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in paths.items() if path.is_file()}

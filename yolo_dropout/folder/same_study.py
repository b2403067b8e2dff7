"""Whether a folder's study is the one that is asked for: what may be added to it, and what may not differ."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import RunRecord, read_record
from yolo_dropout.folder.study_file import digests, read_study_file, read_yaml, study_file_fault
from yolo_dropout.spec.arguments import NO_MATTER, known_arguments
from yolo_dropout.spec.score import Score
from yolo_dropout.spec.study_spec import StudySpec

# What a training that was not told takes from its checkpoint or its task.
_TAKEN_ALONG = ("imgsz", "task", "single_cls", "cfg")
_FILES = ("model", "data")


def check_same_study(folder: StudyFolder, spec: StudySpec) -> str | None:
    """Refuse to mix two studies in one folder.

    More rates or seeds are no difference, nor is another score, nor another place of the same model and data.

    Returns:
        What is told where `study.yaml` is gone or broken, and the runs themselves agree with what is asked.

    Raises:
        SpecError: The folder holds another study; the message names each difference.
    """
    if fault := study_file_fault(folder):
        _refuse(folder, differences_from_runs(folder, spec))
        anew = f"{fault}; it is written anew from this command, which the runs agree with"
        return anew if folder.run_folders else None
    stored, facts = read_study_file(folder)
    now = digests(spec)
    moved = _moved(facts, now)
    fields = ("model", "data", "where", "kind", "schedule", "folds")
    differences = [
        f"{name} was {getattr(stored, name)!r}, is {getattr(spec, name)!r}"
        for name in fields
        if getattr(stored, name) != getattr(spec, name) and name not in moved
    ]
    names = sorted({*stored.train, *spec.train})
    differences += [
        f"{name} was {stored.train.get(name, 'not given')!r}, is {spec.train.get(name, 'not given')!r}"
        for name in names
        if stored.train.get(name) != spec.train.get(name) or (name in stored.train) != (name in spec.train)
    ]
    if stored.until_decided != spec.until_decided:
        differences.append(f"until_decided was {stored.until_decided}, is {spec.until_decided}")
    # Such a study has added seeds and dropped rates by its score.
    if stored.until_decided and Score.parse(stored.score) != Score.parse(spec.score):
        differences.append(f"score was {stored.score}, is {spec.score}; report --score shows another one")
    differences += [
        f"the content of {getattr(spec, name)} has changed"
        for name, digest in facts["inputs"].items()
        if name in now and now[name] != digest and getattr(stored, name) == getattr(spec, name)
    ]
    for name in ("rates", "seeds"):
        gone = [value for value in getattr(stored, name) if value not in getattr(spec, name)]
        if gone:
            differences.append(f"{name} lack {', '.join(f'{value:g}' for value in gone)}, which the study has")
    _refuse(folder, differences)
    return None


def _refuse(folder: StudyFolder, differences: Sequence[str]) -> None:
    if differences:
        raise SpecError(f"{folder.path}: holds another study: {'; '.join(differences)}; use another --out")


def differences_from_runs(folder: StudyFolder, spec: StudySpec) -> list[str]:
    """In what a spec differs from what the runs themselves say that they were trained with, in words."""
    asked = {"model": spec.model, "data": spec.data, **spec.train}
    found: dict[str, None] = {}
    for run in folder.run_folders:
        with contextlib.suppress(SpecError):  # no training came as far as to write it
            was = read_yaml(run.arguments)
            found |= dict.fromkeys(_differences(was, asked, spec) if isinstance(was, dict) else ())
        with contextlib.suppress(InputError):
            found |= dict.fromkeys(_of_dropout(read_record(run), spec))
    return list(found)


def _of_dropout(record: RunRecord, spec: StudySpec) -> Iterator[str]:
    fields = ("where", "kind", "schedule")
    if record.rate and record.proof.keys() >= set(fields):
        for name in fields:
            if record.proof[name] != getattr(spec, name):
                yield f"{name} was {record.proof[name]!r}, is {getattr(spec, name)!r}"


def _differences(was: Mapping[str, Any], asked: Mapping[str, Any], spec: StudySpec) -> Iterator[str]:
    left_out = {*NO_MATTER, *(name for name in _TAKEN_ALONG if name not in asked), *(("data",) if spec.folds else ())}
    for name, default in known_arguments().items():
        if name in was and name not in left_out:
            before, now = was[name], asked.get(name, default)
            moved = name in _FILES and Path(str(before)).name == Path(str(now)).name
            if before != now and str(before) != str(now) and not moved:
                yield f"{name} was {before!r}, is {now!r}"


def _moved(facts: Mapping[str, Any], now: Mapping[str, str]) -> set[str]:
    """Which of model and data may have moved: the files are the same, and `check_same_data` looks at the images."""
    before = facts["inputs"]
    same = {name for name in ("model", "data") if before.get(name) == now.get(name)}
    if "model" not in now:
        same.discard("model")
    if "data_digest" not in facts["prepared"]:
        same.discard("data")
    return same


def check_same_data(folder: StudyFolder, spec: StudySpec, prepared: Mapping[str, Any]) -> None:
    """Refuse to go on with a study whose images or labels are not those that its runs were trained on.

    Raises:
        SpecError: They have changed.
    """
    if study_file_fault(folder) or not any(folder.runs.glob("*/run.json")):
        return
    before = read_study_file(folder)[1]["prepared"]
    # A study of an earlier version knows the first alone.
    pairs = [(before.get(name), prepared.get(name)) for name in ("data_digest", "data_content")]
    if any(was and now and was != now for was, now in pairs):
        counts = [f"{found.get('n_train')} + {found.get('n_val')} images" for found in (before, prepared)]
        raise SpecError(
            f"{folder.path}: holds another study: the images or labels of {spec.data} have changed "
            f"({counts[0]} then, {counts[1]} now); use another --out"
        )

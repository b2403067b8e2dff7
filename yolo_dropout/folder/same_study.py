"""Whether a folder's study is the one that is asked for: what may be added to it, and what may not differ."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.folder.layout import RunFolder, StudyFolder
from yolo_dropout.folder.records import read_record
from yolo_dropout.folder.study_file import StudyFile, digests, read_yaml
from yolo_dropout.spec.arguments import NO_MATTER, known_arguments
from yolo_dropout.spec.rules import MOST_LOOKED_AT
from yolo_dropout.spec.score import Score
from yolo_dropout.spec.study_spec import StudySpec

# What a training that was not told takes from its checkpoint or its task.
TAKEN_ALONG = {"imgsz", "task", "single_cls", "cfg"}
UNPLANNED = "this study began without a plan for more seeds, and goes on without one"
_INPUTS, _DROPOUT = ("model", "data"), ("where", "kind", "schedule")


def check_same_study(folder: StudyFolder, spec: StudySpec, stored: StudyFile | str) -> str | None:
    """Refuse to mix two studies in one folder.

    More rates, treatments or seeds are no difference, nor is another score, nor another place of the same model and
    data. `stored` is what `stored_study` has read there.

    Returns:
        What is told where `study.yaml` is gone or broken, and the runs themselves agree with what is asked, or where a
        plan for more seeds comes too late.

    Raises:
        SpecError: The folder holds another study; the message names each difference.
    """
    runs = folder.run_folders if isinstance(stored, str) else ()
    found = [_from_run(run, spec) for run in runs] if isinstance(stored, str) else [_from_file(stored, spec)]
    if differences := dict.fromkeys(itertools.chain.from_iterable(found)):
        raise SpecError(f"{folder.path}: holds another study: {'; '.join(differences)}; use another --out")
    if not isinstance(stored, str):
        unplanned = stored.spec.max_seeds is None and spec.max_seeds not in (None, MOST_LOOKED_AT)
        return f"max_seeds={spec.max_seeds}: {UNPLANNED}" if unplanned and folder.has_ended_runs else None
    return f"{stored}; it is written anew from this command, which the runs agree with" if runs else None


def _from_file(stored: StudyFile, spec: StudySpec) -> Iterator[str]:
    """In what a spec differs from the one that the study began with, in words."""
    was, before, now = stored.spec, stored.inputs, digests(spec)
    # The files are the same elsewhere; of data, `check_same_data` looks at the images.
    moved = {
        "model": "model" in now and before.get("model") == now["model"],
        "data": "data_digest" in stored.prepared and before.get("data") == now.get("data"),
    }
    for name in (*_INPUTS, *_DROPOUT, "folds"):
        if not moved.get(name):
            yield from _changed(name, getattr(was, name), getattr(spec, name))
    for name in sorted({*was.train, *spec.train}):
        yield from _changed(name, was.train.get(name, "not given"), spec.train.get(name, "not given"))
    yield from _changed("select", was.select, spec.select)
    yield from _changed("until_decided", was.until_decided, spec.until_decided)
    # A study that began without such a plan goes on without.
    if not (None in (was.max_seeds, spec.max_seeds) or was.until_decided or spec.until_decided):
        yield from _changed("max_seeds", was.max_seeds, spec.max_seeds)
    # Such a study has added seeds and dropped rates by its score.
    if was.until_decided and Score.parse(was.score) != Score.parse(spec.score):
        yield f"score was {was.score}, is {spec.score}, and told when to stop adding seeds; the report has other scores"
    for name in _INPUTS:
        alike = name in before and name in now and getattr(was, name) == getattr(spec, name)
        if alike and before[name] != now[name]:
            yield f"the content of {getattr(spec, name)} has changed"
    for name in ("rates", "seeds"):
        if gone := [f"{value:g}" for value in getattr(was, name) if value not in getattr(spec, name)]:
            yield f"{name} lack {', '.join(gone)}, which the study has"
    here = {item.name: item for item in spec.named}
    for item in was.named:
        if item.name not in here:
            yield f'treatments lack "{item.name}", which the study has'
        elif item != here[item.name]:
            yield f'treatment "{item.name}" was {item.words}, is {here[item.name].words}'


def _from_run(run: RunFolder, spec: StudySpec) -> Iterator[str]:
    """In what a spec differs from what a run itself says that it was trained with, in words."""
    was: Any = None
    of_run = next((item for item in spec.treatments if item.slug == run.path.name.rpartition("-s")[0]), None)
    asked = {"model": spec.model, "data": spec.data, **spec.train, **(of_run.train if of_run else {})}
    with contextlib.suppress(SpecError):  # no training came as far as to write it
        was = read_yaml(run.arguments)
    left_out = NO_MATTER | (TAKEN_ALONG - asked.keys()) | ({"data"} if spec.folds else set())
    told = was.keys() - left_out if isinstance(was, dict) else set()
    for name, default in known_arguments().items():
        if name in told:
            before, now = was[name], asked.get(name, default)
            moved = name in _INPUTS and Path(str(before)).name == Path(str(now)).name
            yield from _changed(name, before, now) if str(before) != str(now) and not moved else ()
    with contextlib.suppress(InputError):
        record = read_record(run)
        if of_run and record.sites and record.proof.keys() >= set(_DROPOUT):
            for name in _DROPOUT:
                yield from _changed(name, record.proof[name], getattr(of_run.dropout, name))


def _changed(name: str, was: object, now: object) -> Iterator[str]:
    if was != now:
        yield f"{name} was {was!r}, is {now!r}"


def check_same_data(folder: StudyFolder, spec: StudySpec, prepared: Mapping[str, Any], stored: StudyFile | str) -> None:
    """Refuse to go on with a study whose images or labels are not those that its runs were trained on."""
    if isinstance(stored, str) or not folder.has_ended_runs:
        return
    before = stored.prepared
    pairs = [(before.get(name), prepared.get(name)) for name in ("data_digest", "data_content")]
    if any(was and now and was != now for was, now in pairs):
        then, now = (f"{found.get('n_train')} + {found.get('n_val')} images" for found in (before, prepared))
        raise SpecError(
            f"{folder.path}: holds another study: the images or labels of {spec.data} have changed "
            f"({then} then, {now} now); use another --out"
        )

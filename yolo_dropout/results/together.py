"""Several studies of the same model, data and seeds -> one, whose treatments are those of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from yolo_dropout.base.text import CONTROL, few
from yolo_dropout.errors import InputError
from yolo_dropout.folder.results_csv import Results
from yolo_dropout.folder.same_study import TAKEN_ALONG
from yolo_dropout.folder.study_file import read_study_file
from yolo_dropout.results.collect import StudyResults, T
from yolo_dropout.results.interim import interim_note
from yolo_dropout.results.table import Table, check_same_losses
from yolo_dropout.sites.plan import Dropout
from yolo_dropout.spec.arguments import NO_MATTER, known_arguments
from yolo_dropout.spec.rules import LEAST_SEEDS
from yolo_dropout.spec.runs import Run, plan
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.spec.treatment import Treatment, why_refused


def together(first: T, others: Sequence[StudyResults]) -> T:
    """One study of the treatments of several: control, score, alpha and the gain that matters are the first's.

    What trains alike in two of them is one treatment, and of a run that both have the first study's counts. A treatment
    that only a later one has is called by its folder too, as in `neck: 0.1`, and holds all in which that study differs.

    Raises:
        InputError: Studies differ in what no treatment may change, or share no seed.
        SpecError: Two treatments would have the same name, or one cannot be judged by this score.
    """
    studies: tuple[StudyResults, ...] = (first, *others)
    treatments, parts = list[Treatment](), list[StudyResults]()
    for study in studies:
        names = dict[str, str]()
        for name, item in _in_terms_of(first, study):
            known = next((here for here in treatments if replace(here, name=item.name) == item), item)
            treatments += [item] if known is item else []
            names[name] = known.name
        parts.append(_called(study, names))
        _check_seeds(parts[0], parts[-1])
    asked = {run for part in parts for run in part.due}
    spec = replace(
        first.spec,
        rates=tuple(rate for item in treatments if (rate := item.rate) is not None),
        seeds=tuple({run.seed for run in asked}),
        until_decided=False,
        treatments=tuple(item for item in treatments if item.rate is None),
    )
    check_same_losses({part.folder.path: of.metrics for part in parts for of in part.table.results.values()})
    # Of a run that two have the first counts, unless it failed there.
    backwards = [record for part in reversed(parts) for record in part.records]
    records = {record.run: record for finished in (False, True) for record in backwards if record.finished is finished}
    results = {run: found for part in reversed(parts) for run, found in part.table.results.items()}
    due = [run for run in plan(spec) if run in asked]
    return replace(
        first,
        spec=spec,
        records=tuple(records[run] for run in due if run in records),
        table=Table({run: results[run] for run in due if run in results}),
        notes=(*first.notes, *(n for part in parts[1:] for n in _notes(first, part, results)), *_looked(spec, parts)),
        asked=tuple(due),
        looked=(*first.looked, len({run.seed for run in first.due})),
    )


def _in_terms_of(first: StudyResults, study: StudyResults) -> Iterator[tuple[str, Treatment]]:
    """The treatments of a study by their names there, as what they change of the first study."""
    usual, shared, own = first.spec.treatments[0].dropout, _shared(first), _shared(study)
    for name in sorted(shared.keys() | own.keys()):
        one, other = (values.get(name, "none given") for values in (shared, own))
        reason = "runs compare within a fold" if name == "folds" else why_refused(name)
        if one != other and reason:
            told = f"{name}: {first.folder.path} has {one}, {study.folder.path} has {other}"
            raise InputError(f"{told}: {reason}; give studies of one {name}")
    for item in study.spec.treatments:
        train = {name: value for name, value in {**own, **item.train}.items() if value != shared.get(name)}
        dropout = item.dropout if item.dropout.rate else Dropout()
        is_rate = item.rate is not None and not train and dropout in (Dropout(), replace(usual, rate=item.rate))
        word = "control" if item.name == CONTROL else item.name
        name = item.name if study is first or is_rate else f"{study.folder.path.name}: {word}"
        yield item.name, Treatment(name, dropout, train)


def _shared(study: StudyResults) -> dict[str, Any]:
    """What all runs of a study have, by name: training arguments, and model and data by content where it is known."""
    spec, facts = study.spec, {**read_study_file(study.folder).inputs, **study.prepared}
    usual = {name: value for name, value in known_arguments().items() if name not in TAKEN_ALONG}
    train = {name: value for name, value in {**usual, **spec.train}.items() if name not in NO_MATTER}
    model = _told(spec.model, facts.get("model"))
    data = _told(spec.data, facts.get("data_digest") or facts.get("data"), facts.get("data_content"))
    return train | {"model": model, "data": data, "folds": spec.folds, "select": spec.select}


def _told(path: str, *digests: object) -> str:
    short = [str(digest)[:8] for digest in digests if digest]
    return f"{Path(path).name} ({', '.join(short)})" if short else path


def _check_seeds(first: StudyResults, study: StudyResults) -> None:
    one, other = (sorted({run.seed for run in item.due}) for item in (first, study))
    if not {*one} & {*other}:
        told = f"{first.folder.path} has {few([*map(str, one)])}, {study.folder.path} has {few([*map(str, other)])}"
        raise InputError(f"seeds: {told}: runs compare within a seed; give studies that share some")


def _called(study: StudyResults, names: Mapping[str, str]) -> StudyResults:
    """A study whose treatments go by other names; its spec has the old ones."""

    def new(run: Run) -> Run:
        return replace(run, treatment=names[run.treatment])

    return replace(
        study,
        records=tuple(replace(record, treatment=names[record.treatment]) for record in study.records),
        table=Table({new(run): results for run, results in study.table.results.items()}),
        asked=tuple(map(new, study.due)),
    )


def _notes(first: StudyResults, study: StudyResults, results: Mapping[Run, Results]) -> Iterator[str]:
    """What must be known of a later study beside what is told of the first; `results` are those that count."""
    known = {*first.notes, *first.prepared.get("notes", ())}
    for note in (*study.prepared.get("notes", ()), *study.notes):
        if note not in known:
            yield f"{study.folder.path.name}: {note}"
    if apart := [run.name for run, found in study.table.results.items() if not _equal(found, results[run])]:
        yield (
            f"{study.folder.path}: has other curves of {few(apart)} than a study before it, whose count: other "
            "machines or versions made them, and that alone can make a difference"
        )


def _equal(one: Results, other: Results) -> bool:
    return one.metrics == other.metrics and np.array_equal(one.matrix, other.matrix, equal_nan=True)


def _looked(spec: StudySpec, parts: Sequence[StudyResults]) -> Iterator[str]:
    """How the verdicts that the studies had of their own make a false find likelier."""
    for part in parts:
        if part.spec.until_decided:
            yield (
                f"{part.folder.path}: added seeds until {part.spec.score} was clear, so that a false 'use' is likelier "
                "here than the error level says"
            )
    first, *others = parts
    seeds = {run.seed for run in first.due}
    judged = {run.treatment for run in first.due} - {CONTROL}
    more = any(run.treatment in judged and run.seed not in seeds for part in others for run in part.due)
    yield from interim_note(spec, [len(seeds)] if more and len(seeds) >= LEAST_SEEDS else [])

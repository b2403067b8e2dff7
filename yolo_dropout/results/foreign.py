"""Runs that plain Ultralytics has made -> a study; what cannot be known of them stays unknown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yolo_dropout.base.text import CONTROL, rate_of, rate_text
from yolo_dropout.errors import InputError
from yolo_dropout.folder.layout import RunFolder, StudyFolder
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.folder.study_file import read_yaml
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.results.table import Table, read_table
from yolo_dropout.sites.plan import Dropout
from yolo_dropout.spec.arguments import NO_MATTER
from yolo_dropout.spec.rules import is_seed
from yolo_dropout.spec.runs import Run, plan
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.spec.treatment import Treatment, why_refused


def load_foreign_runs(paths: list[Path], out: Path, score: str = "val/loss") -> StudyResults:
    """Read run folders that plain Ultralytics has made; treatment and seed come from their `args.yaml`.

    Runs that differ in other arguments than dropout have treatments that are named by these. The control is the first
    run without dropout, with its arguments.

    `out` is where derived files will go.

    Raises:
        InputError: A folder is no run, two folders are the same run, or runs differ in what cannot be compared.
        SpecError: The runs cannot form a study, for instance because all have one rate.
    """
    runs, treatments = dict[Run, Path](), dict[str, Treatment]()
    read = [(path, _read_arguments(path)) for path in paths]
    first, arguments = next(((path, own) for path, own in read if not own["dropout"]), read[0])
    for path, own in read:
        treatment = _treatment(path, own, first, arguments)
        run = Run(own["seed"], treatments.setdefault(treatment.name, treatment).name)
        if run in runs:
            same = f"has {treatment.words or 'dropout=0.0'} and seed={run.seed}, as {runs[run].parent} has"
            raise InputError(f"{path}: {same}; leave one out")
        runs[run] = RunFolder(path).results
    table = _whole_runs(read_table(runs), arguments, runs)
    found = {run.treatment for run in table.results}
    if len({name == CONTROL for name in found}) < len({run.treatment == CONTROL for run in runs}):
        raise InputError(table.notes[-1])  # why the control, or all that it is compared with, is left out
    spec = StudySpec(
        model=str(arguments.get("model") or "unknown"),
        data=str(arguments.get("data") or "unknown"),
        rates=tuple(rate for rate in map(rate_of, found) if rate is not None),
        seeds=tuple({run.seed for run in table.results}),
        score=score,
        max_seeds=None,
        train={name: arguments[name] for item in treatments.values() for name in item.train},
        treatments=tuple(item for item in treatments.values() if item.name in found and item.rate is None),
    )
    table = Table({run: table.results[run] for run in plan(spec) if run in table.results}, table.notes)
    ends = table.results.items()
    records = tuple(RunRecord(run.treatment, run.seed, "finished", note=end.diverged) for run, end in ends)
    notes = (*table.notes, *(record.told for record in records if record.note))
    return StudyResults(StudyFolder(out), spec, records, table, {"task": arguments.get("task")}, notes, ours=False)


def _whole_runs(table: Table, arguments: Mapping[str, Any], runs: Mapping[Run, Path]) -> Table:
    """The runs that came to their end: one that broke off had fewer chances at a low loss, and shows no late drift."""
    asked, patience = (_count(arguments.get(name)) for name in ("epochs", "patience"))
    ends = {run: int(found.epochs[-1]) for run, found in table.results.items()}
    kept, notes = dict(table.results), list(table.notes)
    for run, found in table.results.items():
        waited = ends[run] - int(found.epochs[found.best_row]) if found.fitness else 0
        if not asked or ends[run] >= asked or (patience and waited >= patience):
            continue
        told = f"{runs[run].parent}: broke off after {ends[run]} of {asked} epochs"
        if ends[run] < max(ends.values()):
            kept.pop(run)
            notes.append(f"{told} and is left out; go on with it: yolo train resume model=…/weights/last.pt")
        else:
            notes.append(f"{told}: what more epochs would show is not known")
    return Table(kept, tuple(notes))


def _read_arguments(path: Path) -> dict[str, Any]:
    file = path / "args.yaml"
    if not file.is_file():
        raise InputError(
            f"{path}: is neither a study nor a run folder of Ultralytics; it lacks study.yaml and args.yaml"
        )
    values = read_yaml(file)
    if not isinstance(values, dict) or not is_seed(values.get("seed")) or not _is_rate(values.get("dropout", "")):
        raise InputError(f"{file}: lacks a seed, or a dropout in [0, 1); is it the args.yaml of a training?")
    return values


def _treatment(path: Path, own: Mapping[str, Any], control: Path, controls: Mapping[str, Any]) -> Treatment:
    """What a run was given that the control was not."""
    dropout = Dropout(float(own["dropout"] or 0.0))
    differing = [name for name in sorted(own.keys() & controls.keys() - NO_MATTER) if own[name] != controls[name]]
    for name in differing:
        if reason := why_refused(name):
            told = f"was trained with {name}={own[name]}, {control} with {controls[name]}"
            raise InputError(f"{path}: {told}: {reason}; leave one out")
    train = {name: own[name] for name in differing}
    words = [*([f"dropout={rate_text(dropout.rate)}"] if dropout.rate else []), *(f"{k}={v}" for k, v in train.items())]
    return Treatment(" ".join(words) if train else rate_text(dropout.rate), dropout, train)


def _count(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None


def _is_rate(value: object) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value < 1)  # type: ignore[operator]

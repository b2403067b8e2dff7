"""Runs that plain Ultralytics has made -> a study; what cannot be known of them stays unknown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yolo_dropout.base.text import rate_text
from yolo_dropout.errors import InputError
from yolo_dropout.folder.layout import RunFolder, StudyFolder
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.folder.study_file import read_yaml
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.results.table import Table, read_table
from yolo_dropout.spec.arguments import NO_MATTER
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.study_spec import StudySpec, is_seed


def load_foreign_runs(paths: list[Path], out: Path, score: str = "val/loss") -> StudyResults:
    """Read run folders that plain Ultralytics has made; rate and seed come from their `args.yaml`.

    Args:
        paths: Folders with `args.yaml` and `results.csv`.
        out: Where derived files will go.
        score: What to compare.

    Raises:
        InputError: A folder is no run, two folders are the same run, or runs differ in more than dropout and seed.
        SpecError: The runs cannot form a study, for instance because all have one rate.
    """
    runs: dict[Run, Path] = {}
    read = [(path, _read_arguments(path)) for path in paths]
    first, arguments = read[0]
    for path, own in read:
        _check_alike(path, own, first, arguments)
        run = Run(seed=own["seed"], rate=float(own["dropout"] or 0.0))
        if run in runs:
            same = f"has dropout={rate_text(run.rate)} and seed={run.seed}, as {runs[run].parent} has"
            raise InputError(f"{path}: {same}; leave one out")
        runs[run] = RunFolder(path).results
    table = _whole_runs(read_table(runs), arguments, runs)
    if len({run.rate > 0 for run in table.results}) < len({run.rate > 0 for run in runs}):
        raise InputError(table.notes[-1])  # why the control, or all that it is compared with, is left out
    spec = StudySpec(
        model=str(arguments.get("model") or "unknown"),
        data=str(arguments.get("data") or "unknown"),
        rates=tuple({run.rate for run in table.results}),
        seeds=tuple({run.seed for run in table.results}),
        score=score,
    )
    results = sorted(table.results.items())
    records = tuple(RunRecord(run.rate, run.seed, "finished", note=found.diverged) for run, found in results)
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


def _check_alike(path: Path, arguments: Mapping[str, Any], other: Path, others: Mapping[str, Any]) -> None:
    """Runs that differ in more than dropout and seed would be compared for the wrong reason."""
    for name in sorted(arguments.keys() & others.keys() - NO_MATTER):
        if arguments[name] != others[name]:
            raise InputError(
                f"{path}: was trained with {name}={arguments[name]}, {other} with {others[name]}; "
                "give runs that differ in dropout and seed only"
            )


def _count(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None


def _is_rate(value: object) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value < 1)  # type: ignore[operator]

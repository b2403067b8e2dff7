"""Runs that plain Ultralytics has made -> a study; what cannot be known of them stays unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from yolo_dropout.collect import Study
from yolo_dropout.errors import InputError
from yolo_dropout.folder import read_yaml
from yolo_dropout.layout import RunFolder, StudyFolder
from yolo_dropout.plan import Run
from yolo_dropout.records import RunRecord
from yolo_dropout.spec import StudySpec
from yolo_dropout.table import read_table


def load_foreign_runs(paths: list[Path], out: Path, score: str = "val/loss") -> Study:
    """Read run folders that plain Ultralytics has made; rate and seed come from their `args.yaml`.

    Args:
        paths: Folders with `args.yaml` and `results.csv`.
        out: Where derived files will go.
        score: What to compare.

    Raises:
        InputError: A folder is no run, or two folders are the same run.
        SpecError: The runs cannot form a study, for instance because all have one rate.
    """
    runs: dict[Run, Path] = {}
    arguments: dict[str, Any] = {}
    for path in paths:
        arguments = _read_arguments(path)
        run = Run(seed=arguments["seed"], rate=float(arguments["dropout"] or 0.0))
        if run in runs:
            raise InputError(
                f"{path}: has dropout={run.rate:g} and seed={run.seed}, as {runs[run].parent} has; leave one out"
            )
        runs[run] = RunFolder(path).results
    table = read_table(runs)
    if not table.results:
        raise InputError(f"{table.notes[0] if table.notes else 'DIR: no run folders given'}")
    spec = StudySpec(
        model=str(arguments.get("model") or "unknown"),
        data=str(arguments.get("data") or "unknown"),
        rates=tuple({run.rate for run in table.results}),
        seeds=tuple({run.seed for run in table.results}),
        score=score,
    )
    records = tuple(RunRecord(run.rate, run.seed, "finished") for run in sorted(table.results))
    prepared = {"task": arguments.get("task")}
    return Study(StudyFolder(out), spec, records, table, prepared, table.notes, ours=False)


def _read_arguments(path: Path) -> dict[str, Any]:
    file = path / "args.yaml"
    if not file.is_file():
        raise InputError(
            f"{path}: is neither a study nor a run folder of Ultralytics; it lacks study.yaml and args.yaml"
        )
    values = read_yaml(file)
    if (
        not isinstance(values, dict)
        or not isinstance(values.get("seed"), int)
        or not _is_rate(values.get("dropout", ""))
    ):
        raise InputError(f"{file}: lacks seed or dropout; is it the args.yaml of a training?")
    return values


def _is_rate(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))

"""`yolo-dropout shift`: a checkpoint on corrupted validation images."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any

from yolo_dropout.base.files import read_json, write_text
from yolo_dropout.base.text import few, number
from yolo_dropout.cli.output import FINISHED
from yolo_dropout.cli.sweep_options import parts, sets
from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.results_csv import VAL_LOSS, headline_metric
from yolo_dropout.shift.sets import SEVERITIES, Pass, passes_of
from yolo_dropout.spec.arguments import NO_MATTER, parse_key_values
from yolo_dropout.spec.score import metric_name

_FILES = {"shift.csv", "shift.json", "summary.csv", "shift.log"}


def shift(options: Namespace) -> int:
    """Measure a checkpoint, or go on where it broke off, and print what it comes to."""
    given, passes = parse_key_values(options.key_values), asked(options.corruptions, options.severities)
    for name, example in (("model", "model=best.pt"), ("data", "data=coco8.yaml")):
        if given.get(name) is None:
            raise SpecError(f"{name}: is missing; add {example}")
    if options.out is None:
        raise SpecError("--out: is missing; name a folder, for instance --out runs/shift")
    model, data, out = Path(str(given.pop("model"))), str(given.pop("data")), StudyFolder.at(options.out).path
    if foreign := sorted({path.name for path in out.iterdir()} - _FILES if out.is_dir() else ()):
        raise InputError(f"--out: {out} holds {few(foreign)}; choose a new or empty folder")
    from yolo_dropout.executors.local.shifting import measure_into
    from yolo_dropout.shift.tables import passes_in, read_shift, summed_up

    file = out / "shift.csv"
    if others := passes_in(read_shift(file)) - {*passes}:
        told = f"has {few(sorted({what.corruption for what in others}))} at other severities or of another set"
        raise InputError(f"--out: {file} {told}; choose another folder, or ask for those too")
    out.mkdir(parents=True, exist_ok=True)
    _check_same(file, _identity(model := model.expanduser(), data, given))
    measure_into({file: model}, data, passes, given, log=out / "shift.log", tell=print)
    table = summed_up(read_shift(file))
    write_text(out / "summary.csv", table.to_csv(index=False, lineterminator="\n"))
    for metric in filter(None, (headline_metric(table["metric"]), VAL_LOSS)):
        print(f"\n{metric_name(metric)}: clean (P), mean under shift (mPC)", end="")
        print(", and its share (rPC)" if metric != VAL_LOSS else "")
        for _, name, clean, mean, share in table[table["metric"] == metric].itertuples(index=False):
            told = f"  rPC {share:.1%}" if isfinite(share) else ""
            print(f"  {name:<10} P {number(clean)}  mPC {number(mean)}{told}")
    print(f"\nTables: {out}")
    return FINISHED


def asked(corruptions: Sequence[str] | None, severities: Sequence[str] | None) -> tuple[Pass, ...]:
    """The passes that the words ask for."""
    return passes_of(sets(corruptions or ()), parts(severities or list(map(str, SEVERITIES))))


def _identity(model: Path, data: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a table is of: the content of the checkpoint, wherever it lies, the data set, and what is given."""
    from yolo_dropout.training.models import load_model

    file = model if model.is_file() else Path(load_model(model).ckpt_path or model)  # which downloads what has a name
    content = sha256(file.read_bytes()).hexdigest() if file.is_file() else str(model)
    place = str(Path(data).absolute()) if Path(data).exists() else data
    matter = {name: str(value) for name, value in given.items() if name not in NO_MATTER}
    return {**matter, "model": content, "data": place}


def _check_same(file: Path, asked: dict[str, Any]) -> None:
    """Refuse to take what was measured of another model for this one's, and note what this one is."""
    from yolo_dropout.shift.tables import read_shift

    note, before = file.with_suffix(".json"), dict[str, Any]()
    with suppress(OSError, ValueError, TypeError):
        before = dict(read_json(note))
    if len(read_shift(file)):
        if others := [name for name in sorted({*before, *asked}) if before.get(name) != asked.get(name)]:
            raise InputError(f"--out: {file} was measured with another {few(others)}; choose another folder")
    else:
        write_text(note, json.dumps(asked, indent=1) + "\n")

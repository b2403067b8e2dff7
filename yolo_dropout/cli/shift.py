"""`yolo-dropout shift`: a checkpoint on corrupted validation images."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from yolo_dropout.base.files import write_text
from yolo_dropout.base.text import few, number
from yolo_dropout.cli.output import FINISHED
from yolo_dropout.cli.sweep_options import parts, sets
from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.results_csv import VAL_LOSS, headline_metric
from yolo_dropout.shift.sets import SEVERITIES, Pass, passes_of
from yolo_dropout.spec.arguments import parse_key_values
from yolo_dropout.spec.score import metric_name

_FILES = {"shift.csv", "summary.csv", "shift.log"}


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
    measure_into({file: model.expanduser()}, data, passes, given, log=out / "shift.log", tell=print)
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

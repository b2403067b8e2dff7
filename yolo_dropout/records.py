"""One `run.json` per run, written atomically and last: a run is finished when that file says so."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from yolo_dropout.errors import InputError
from yolo_dropout.files import RunFolder, StudyFolder, read_json, write_json
from yolo_dropout.plan import Run

_RUN_NAME = re.compile(r"p0\.\d+(e-\d+)?-s\d+|p\d(\.\d+)?e-\d+-s\d+")


@dataclass(frozen=True)
class RunRecord:
    """What a run was and how it ended.

    Attributes:
        rate: Drop probability that was asked for.
        seed: The run's seed.
        status: `finished` or `failed`.
        error: Why it failed, one line; None when finished.
        note: What else a reader of its numbers must know, one line: that it diverged, or was continued.
        started: When it started, ISO 8601 with time zone.
        seconds: Wall time of the training, s.
        epochs: How many epochs its `results.csv` held when it ended.
        sites: Where dropout acted, read from the live model.
        proof: What was measured about it: kind, schedule, live rates by epoch, and so on.
        versions: Versions of what trained.
    """

    rate: float
    seed: int
    status: Literal["finished", "failed"]
    error: str | None = None
    note: str | None = None
    started: str | None = None
    seconds: float | None = None
    epochs: int | None = None
    sites: tuple[str, ...] = ()
    proof: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def run(self) -> Run:
        """The run that this record is about."""
        return Run(seed=self.seed, rate=self.rate)

    @property
    def finished(self) -> bool:
        """Whether the training came to its end."""
        return self.status == "finished"


def write_record(folder: RunFolder, record: RunRecord) -> None:
    """Write `run.json`, atomically.

    Raises:
        StudyFolderError: The file cannot be written.
    """
    write_json(folder.record, asdict(record))


def read_record(folder: RunFolder) -> RunRecord:
    """Read `run.json`.

    Raises:
        InputError: The file is missing, cut off, or holds something else.
    """
    try:
        values = read_json(folder.record)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder.record}: cannot be read ({error}); delete it to train this run again") from error
    return _parse(values, folder)


def _parse(values: Any, folder: RunFolder) -> RunRecord:
    try:
        record = RunRecord(**(values | {"sites": tuple(values["sites"]), "rate": float(values["rate"])}))
        sound = record.status in ("finished", "failed") and math.isfinite(record.rate) and type(record.seed) is int
    except (TypeError, KeyError, ValueError):
        sound = False
    if not sound:
        raise InputError(f"{folder.record}: is no run record; delete it to train this run again")
    return record


def read_records(folder: StudyFolder) -> tuple[tuple[RunRecord, ...], tuple[str, ...]]:
    """Read the records of all runs of a study.

    A run's folder without a record belongs to a run that broke off, and is passed over in silence: it is pending.

    Returns:
        The records, seed-major, and a line for everything in `runs` that is no sound record, and for every run
        whose record holds a note.
    """
    records: list[RunRecord] = []
    notes: list[str] = []
    for path in sorted(folder.runs.iterdir()) if folder.runs.is_dir() else ():
        run_folder = RunFolder(path)
        if not run_folder.record.exists():
            if not _RUN_NAME.fullmatch(path.name) and not path.name.startswith("."):
                notes.append(f"{path}: belongs to no run of this study and is left out")
            continue
        try:
            record = read_record(run_folder)
        except InputError as error:
            notes.append(str(error))
            continue
        if record.run.name != path.name:
            notes.append(f"{path}: holds the record of {record.run.name}; the folder was renamed and is left out")
        elif lost := _lost(run_folder, record):
            notes.append(f"{run_folder.results}: {lost}, so the run counts as not yet done")
        else:
            records.append(record)
            notes += [f"rate {record.rate:g} seed {record.seed}: {record.note}"] if record.note else []
    return tuple(sorted(records, key=lambda record: record.run)), tuple(notes)


def _lost(folder: RunFolder, record: RunRecord) -> str | None:
    """What of a finished run's curves is gone: a power cut may take the end of a file that was not flushed."""
    if not record.finished:
        return None
    if not folder.results.is_file():
        return "is gone"
    rows = folder.results.read_bytes().count(b"\n") - 1
    if record.epochs is not None and rows < record.epochs:
        return f"holds {max(0, rows)} of {record.epochs} epochs that were trained"
    return None

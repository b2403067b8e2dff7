"""One `run.json` per run, written atomically and last: a run is finished when that file says so."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from yolo_dropout.errors import InputError
from yolo_dropout.files import read_json, write_json
from yolo_dropout.layout import RunFolder, StudyFolder
from yolo_dropout.plan import Run

_RUN_NAME = re.compile(r"p(0\.\d+(e-\d+)?|\d(\.\d+)?e-\d+)-s\d+(-f\d+)?")


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
        fold: The fold whose images it validated on; None outside a cross-validation.
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
    fold: int | None = None

    @classmethod
    def failure(cls, run: Run, error: str, seconds: float) -> RunRecord:
        """The record of a run that left none itself."""
        return cls(run.rate, run.seed, "failed", error, seconds=round(seconds, 2), fold=run.fold)

    @property
    def run(self) -> Run:
        """The run that this record is about."""
        return Run(self.seed, self.rate, self.fold)

    @property
    def told(self) -> str:
        """The note, with the run that it is about."""
        return f"rate {self.rate:g} {self.run.block}: {self.note}"

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
    return parse_record(values, folder)


def parse_record(values: Any, folder: RunFolder) -> RunRecord:
    """A record from plain values.

    Raises:
        InputError: They are none.
    """
    try:
        record = RunRecord(**(values | {"sites": tuple(values["sites"]), "rate": float(values["rate"])}))
        sound = record.status in ("finished", "failed") and math.isfinite(record.rate) and type(record.seed) is int
        sound = sound and (record.fold is None or type(record.fold) is int)
    except (TypeError, KeyError, ValueError):
        sound = False
    if not sound:
        raise InputError(f"{folder.record}: is no run record; delete it to train this run again")
    return record


def count_rows(folder: RunFolder) -> int:
    """Rows of a run's `results.csv`, the first line and a row that is cut off left out."""
    return max(0, folder.results.read_bytes().count(b"\n") - 1)


def read_records(
    folder: StudyFolder,
    read: Callable[[RunFolder], RunRecord] = read_record,
    rows: Callable[[RunFolder], int] = count_rows,
) -> tuple[tuple[RunRecord, ...], tuple[str, ...]]:
    """Read the records of all runs of a study.

    A run's folder without a record belongs to a run that broke off, and is passed over in silence: it is pending.

    Args:
        folder: The study's folder.
        read: Reads one record; by default from its file.
        rows: Counts the rows of a `results.csv`; by default in the file.

    Returns:
        The records, seed-major, and a line for everything in `runs` that is no sound record, and for every run
        whose record holds a note.
    """
    records: list[RunRecord] = []
    notes: list[str] = []
    for path in sorted(folder.runs.iterdir()) if folder.runs.is_dir() else ():
        run_folder = RunFolder(path)
        if path.name.startswith("."):
            continue  # a folder on its way to its place
        if not run_folder.record.exists():
            if not _RUN_NAME.fullmatch(path.name):
                notes.append(f"{path}: belongs to no run of this study and is left out")
            continue
        try:
            record = read(run_folder)
        except InputError as error:
            notes.append(str(error))
            continue
        if record.run.name != path.name:
            notes.append(f"{path}: holds the record of {record.run.name}; the folder was renamed and is left out")
        elif lost := _lost(run_folder, record, rows):
            notes.append(f"{run_folder.results}: {lost}, so the run counts as not yet done")
        else:
            records.append(record)
            notes += [record.told] if record.note else []
    return tuple(sorted(records, key=lambda record: record.run)), tuple(notes)


def _lost(folder: RunFolder, record: RunRecord, rows: Callable[[RunFolder], int]) -> str | None:
    """What of a finished run's curves is gone: a power cut may take the end of a file that was not flushed."""
    if not record.finished:
        return None
    if not folder.results.is_file():
        return "is gone"
    if record.epochs is not None and (held := rows(folder)) < record.epochs:
        return f"holds {held} of {record.epochs} epochs that were trained"
    return None

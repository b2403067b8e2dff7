"""One `run.json` per run, written atomically and last: a run is finished when that file says so."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import Any, Literal

from yolo_dropout.base.files import ASIDE, check_values, read_json, set_aside, write_json
from yolo_dropout.base.text import rate_of, rate_text
from yolo_dropout.errors import InputError, StudyFolderError
from yolo_dropout.folder.layout import RUN_NAME, RunFolder, StudyFolder
from yolo_dropout.folder.results_csv import Results, read_results
from yolo_dropout.spec.runs import Run

_NOT_DONE = "so the run counts as not yet done, and is set aside when it is trained again"


@dataclass(frozen=True)
class RunRecord:
    """What a run was and how it ended.

    Attributes:
        treatment: The name of what it was given; `run.json` holds a rate as a number.
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

    treatment: str
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
        return cls(run.treatment, run.seed, "failed", error, seconds=round(seconds, 2), fold=run.fold)

    @property
    def rate(self) -> float | None:
        """Its rate; None where its treatment has a name of its own."""
        return rate_of(self.treatment)

    @property
    def run(self) -> Run:
        """The run that this record is about."""
        return Run(self.seed, self.treatment, self.fold)

    @property
    def told(self) -> str:
        """The note, with the run that it is about."""
        return f"{self.run}: {self.note}"

    @property
    def branch_note(self) -> str:
        """Which branch of the head its numbers describe; empty where that was not told."""
        return self.proof.get("branch_note", "")  # type: ignore[no-any-return]

    @property
    def finished(self) -> bool:
        """Whether the training came to its end."""
        return self.status == "finished"


def write_record(folder: RunFolder, record: RunRecord) -> None:
    """Write `run.json`, atomically; in it a treatment that is nothing but a rate goes by that."""
    values = asdict(record)
    name, rate = values.pop("treatment"), record.rate
    write_json(folder.record, ({"treatment": name} if rate is None else {"rate": rate}) | values)


def read_record(folder: RunFolder) -> RunRecord:
    """Read `run.json`; an `InputError` where it is missing, cut off, or holds something else."""
    try:
        values = read_json(folder.record)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder.record}: cannot be read ({error}), {_NOT_DONE}") from error
    known = {"rate", *(item.name for item in fields(RunRecord))}
    if isinstance(values, dict) and (others := values.keys() - known):
        names = ", ".join(sorted(map(str, others)))
        raise _AnotherVersionError(
            f"{folder.record}: another version of yolo-dropout wrote it, with {names}; go on with that version"
        )
    try:
        check_values(values)
        rest = values | {"sites": tuple(values["sites"])}
        rate = float(rest.pop("rate")) if "rate" in rest else None
        record = RunRecord(rest.pop("treatment") if rate is None else rate_text(rate), **rest)
        if not _is_sound(record) or record.rate != rate:
            raise ValueError("a field is of another type")  # noqa: TRY301 - told as the others
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise InputError(f"{folder.record}: is no run record, {_NOT_DONE}") from error
    return record


def _is_sound(record: RunRecord) -> bool:
    """Whether each field is what its annotation says, so that nobody after this has to ask."""
    return (
        record.status in ("finished", "failed")
        and isinstance(record.treatment, str)
        and type(record.seed) is int
        and all(type(value) in (int, NoneType) for value in (record.fold, record.epochs))
        and all(type(value) in (str, NoneType) for value in (record.error, record.note, record.started))
        and (record.seconds is None or (type(record.seconds) in (int, float) and math.isfinite(record.seconds)))
        and isinstance(record.proof, dict)
        and isinstance(record.versions, dict)
        and all(isinstance(text, str) for text in (*record.sites, *record.versions.values(), record.branch_note))
    )


class _AnotherVersionError(InputError):
    """A record holds fields that this version does not know."""


def check_vacant(folder: StudyFolder, runs: Iterable[Run]) -> None:
    """Refuse to train runs where the record of another run lies, or one that another version wrote."""
    for run in runs:
        place = folder.run(run.name)
        try:
            there = read_record(place).run
        except _AnotherVersionError as error:
            raise StudyFolderError(str(error)) from error
        except InputError:
            continue  # nothing is there, or nothing sound
        if there != run:
            raise StudyFolderError(
                f"{place.path}: holds the run {there.name}; give the folder that name again, or move it away"
            )


def make_way(folder: RunFolder) -> Path | None:
    """Set a run's folder aside that is to be trained again although its record does not say that it failed.

    Returns:
        Where it is now; None where the folder holds no record, or that of a failed run.
    """
    with contextlib.suppress(InputError):
        if not folder.record.exists() or not read_record(folder).finished:
            return None
    return set_aside(folder.path)


def read_records(
    folder: StudyFolder, read: Callable[[Path], Results] = read_results
) -> tuple[tuple[RunRecord, ...], tuple[str, ...]]:
    """Read the records of all runs of a study.

    A run's folder without a record belongs to a run that broke off, and is passed over in silence: it is pending.

    Args:
        folder: The study's folder.
        read: Reads a `results.csv`; by default from its file.

    Returns:
        The records, and a line for everything in `runs` that is no sound record, and for every run
        whose record holds a note.
    """
    paths = sorted(folder.runs.iterdir()) if folder.runs.is_dir() else []
    # What begins with a dot is on its way to its place.
    found = [_found(RunFolder(path), read) for path in paths if not path.name.startswith(".")]
    records = tuple(item for item in found if isinstance(item, RunRecord))
    notes = (item if isinstance(item, str) else item.told if item.note else "" for item in found)
    return records, tuple(filter(None, notes))


def _found(folder: RunFolder, read: Callable[[Path], Results]) -> RunRecord | str:
    """What a folder in `runs` holds: a sound record, or why it is left out; nothing to say where a run broke off."""
    path = folder.path
    if ASIDE in path.name:
        return f"{path}: was set aside and is left out; remove it when you need nothing of it"
    try:
        if not folder.record.exists():
            return "" if RUN_NAME.fullmatch(path.name) else f"{path}: belongs to no run of this study and is left out"
        record = read_record(folder)
        if record.run.name != path.name:
            return f"{path}: holds the record of {record.run.name}; the folder was renamed and is left out"
        lost = _lost(folder, record, read)
    except InputError as error:
        return str(error)
    except OSError as error:  # of a folder that may not be looked into
        return f"{path}: cannot be read ({error.strerror}) and is left out; change its permissions"
    return f"{lost}, {_NOT_DONE}" if lost else record


def _lost(folder: RunFolder, record: RunRecord, read: Callable[[Path], Results]) -> str | None:
    """What is wrong with a finished run's curves: a power cut may take their end, and people edit files."""
    if not record.finished:
        return None
    if not folder.results.is_file():
        return f"{folder.results}: is gone"
    try:
        held = len(read(folder.results).epochs)
    except InputError as error:
        return str(error)
    if record.epochs in (None, held):
        return None
    return f"{folder.results}: holds {held} readable epochs, and {record.epochs} were trained"

"""What a killed study leaves: which processes live, which runs are finished, which tables are written."""

from __future__ import annotations

from pathlib import Path

from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import read_records

TABLES = ("curves.csv", "scores.csv", "summary.csv", "verdict.json")


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in TABLES}


def finished(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Identity and content of each finished run's record: a run that is trained again gets a new file."""
    records, _ = read_records(StudyFolder(folder))
    paths = [StudyFolder(folder).run(record.run.name).record for record in records if record.finished]
    return {path.parent.name: (path.stat().st_ino, path.read_bytes()) for path in paths}


def check_nothing_lost(before: dict[str, tuple[int, bytes]], folder: Path) -> None:
    after = finished(folder)
    assert {name: after.get(name) for name in before} == before

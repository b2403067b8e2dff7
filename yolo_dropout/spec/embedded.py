"""The data sets and the starter checkpoint that ship with the project."""

from __future__ import annotations

from pathlib import Path

from yolo_dropout.errors import InputError


def embedded_path(name: str) -> Path:
    """Path of something in `datasets/`, in a clone as well as in an installed wheel; an `InputError` without it."""
    package = Path(__file__).resolve().parents[1]
    for root in (package, package.parent):
        path = root / "datasets" / name
        if path.exists():
            return path
    raise InputError(f"datasets/{name}: is missing beside the package; install the project again")

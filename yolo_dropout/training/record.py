"""`dropout.json`: what a training did with dropout, kept beside Ultralytics' own files.

A checkpoint stays stock, so what a resumed training needs to put the same dropout back is here.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from yolo_dropout.base.files import read_json
from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.sites.plan import Dropout

NAME = "dropout.json"


def read_record(save_dir: Path) -> dict[str, Any] | None:
    """The record of a training folder, or None where there is none; an `InputError` for one that cannot be read."""
    file = save_dir / NAME
    try:
        record = dict(read_json(file))
        _plan(record)  # whether it can be read
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"resume: {file} cannot be read ({error}); start a new training") from error
    return record


def plan_to_resume(last: Path, asked: Dropout) -> Dropout:
    """The dropout that an interrupted training had.

    That of the `dropout.json` beside the folder of its `last.pt`; without that file it was the control. What the
    caller has asked for asks for nothing where fields are left at their defaults.

    Raises:
        SpecError: Something else was asked for than the training had.
        InputError: `dropout.json` cannot be read.
    """
    record = read_record(last.resolve().parent.parent)
    had, default = _plan(record) if record else Dropout(), Dropout()
    for field, value in asdict(asked).items():
        if value not in (getattr(default, field), getattr(had, field)):
            raise SpecError(
                f"{'dropout' if field == 'rate' else field}: a resumed training keeps its own "
                f"({getattr(had, field)!r}), got {value!r}; leave it out, or start a new training"
            )
    return had


def _plan(record: dict[str, Any]) -> Dropout:
    return Dropout(**{field: record[field] for field in ("rate", "where", "kind", "schedule")})

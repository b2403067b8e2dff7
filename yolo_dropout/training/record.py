"""`dropout.json`: what a training did with dropout, kept beside Ultralytics' own files.

A checkpoint stays stock, so what a resumed training needs to put the same dropout back is here.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yolo_dropout.base.files import read_json, write_text
from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.sites.plan import DropoutPlan

NAME = "dropout.json"


def write_record(save_dir: Path, record: dict[str, Any]) -> None:
    """Write `dropout.json` so that a reader sees the old or the new one, never half of it."""
    write_text(save_dir / NAME, json.dumps(record, indent=1) + "\n")


def read_record(save_dir: Path) -> dict[str, Any] | None:
    """The record of a training folder, or None where there is none.

    Raises:
        InputError: The file is there and cannot be read.
    """
    file = save_dir / NAME
    try:
        record = dict(read_json(file))
        _plan(record)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"resume: {file} cannot be read ({error}); start a new training") from error
    return record


def plan_to_resume(last: Path, asked: DropoutPlan) -> DropoutPlan:
    """The dropout that an interrupted training had.

    Args:
        last: Its `last.pt`, in `<save_dir>/weights`.
        asked: What the caller passed; fields left at their defaults ask for nothing.

    Returns:
        The plan of `dropout.json`; without that file the training was the control.

    Raises:
        SpecError: Something else was asked for than the training had.
        InputError: `dropout.json` cannot be read.
    """
    record = read_record(last.resolve().parent.parent)
    had, default = _plan(record) if record else DropoutPlan(), DropoutPlan()
    for field, value in asdict(asked).items():
        if value not in (getattr(default, field), getattr(had, field)):
            raise SpecError(
                f"{'dropout' if field == 'rate' else field}: a resumed training keeps its own "
                f"({getattr(had, field)!r}), got {value!r}; leave it out, or start a new training"
            )
    return had


def _plan(record: dict[str, Any]) -> DropoutPlan:
    return DropoutPlan(**{field: record[field] for field in ("rate", "where", "kind", "schedule")})

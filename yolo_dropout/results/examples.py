"""Images on which treatments differ: read from their file, and what is to be looked for."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from yolo_dropout.base.files import read_json
from yolo_dropout.shift.corruptions import Image
from yolo_dropout.shift.sets import Pass
from yolo_dropout.spec.study_spec import StudySpec

if TYPE_CHECKING:
    from yolo_dropout.results.collect import StudyResults

_KINDS = ("right", "wrong", "missed")


def chosen(study: StudyResults) -> str | None:
    """What is compared with the control: the treatment to use, or else the best-looking one; None without any."""
    verdict = study.verdict
    if verdict.treatment != verdict.control:
        return verdict.treatment
    return verdict.best.treatment if verdict.best else None


def strip_of(study: StudyResults) -> tuple[Pass, ...]:
    """The corruptions that a study was measured under, each at the middle one of its severities."""
    tables = (results.shift for results in study.table.results.values())
    measured = next((table for table in tables if table is not None), None)
    if measured is None:
        return ()
    levels = measured[measured["severity"] > 0].groupby("corruption", sort=False)["severity"].unique()
    return (Pass(), *(Pass(str(name), int(sorted(found)[len(found) // 2])) for name, found in levels.items()))


def read_examples(file: Path, spec: StudySpec) -> Mapping[str, Any]:
    """The file as `find_examples` wrote it; empty where it is missing, of other treatments, or holds something else."""
    try:
        found: dict[str, Any] = read_json(file)
        known = {item.name for item in spec.treatments}
        if not {found["control"], found["treatment"]} <= known or not isinstance(found["looked_at"], int):
            return {}
        for item in (*found["images"], *found["shift"]):
            _check(item, found["seeds"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, SyntaxError):
        return {}
    return found


def pixels(picture: str) -> Image:
    """A JPEG in base64 as its pixels, shape (height, width, 3); where it is none an OSError, ValueError or SyntaxError.

    By its own class, since Ultralytics makes PIL's `Image.open` install what it lacks.
    """
    return np.asarray(JpegImageFile(BytesIO(b64decode(picture, validate=True))).convert("RGB"))


def _check(item: Mapping[str, Any], seeds: list[int]) -> None:
    pixels(item["picture"])
    int(seeds[item["of"]]), int(item.get("severity", 0))
    for side in (item["control"], item["other"]):
        float(side["score"]), float(side.get("mean", 0))
        for mark in side["marks"]:
            if mark["kind"] not in _KINDS or len(mark["box"]) not in (0, 4):
                raise ValueError(mark)
            tuple(map(float, mark["box"]))

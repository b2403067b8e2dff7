"""Whether the files of a study have the columns and keys that docs/files.md tells."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

PAGE = Path(__file__).parents[2] / "docs" / "files.md"
_FILE = re.compile(r"^### `(.+?)`\n(.*?)(?=^##|\Z)", flags=re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (`.+?`) \| .* \|(.*)\|$", flags=re.MULTILINE)
_INSIDE = re.compile(r"(?:\.|\[\]\.)(?=[^.]*$)")


def documented() -> dict[str, dict[str, bool]]:
    """By file, each name that the page has, and whether it is always there."""
    return {
        file: {name: not where.strip() for cell, where in _ROW.findall(text) for name in re.findall("`(.+?)`", cell)}
        for file, text in _FILE.findall(PAGE.read_text(encoding="utf-8"))
    }


def faults(study: Path) -> list[str]:
    """What files of a study have and the page lacks, or the other way round; and files of which it knows nothing."""
    told, found = documented(), list[str]()
    for name, names in told.items():
        for file in sorted(study.glob(name.replace("RUN", "*"))):
            there = set(names_in(file, names))
            parents = {"", *map(_parent, there)}  # an empty list holds none of its keys
            wanted = {item for item, always in names.items() if always and _parent(item) in parents}
            found += [f"{name}: {item} is not on the page" for item in sorted(there - names.keys())]
            found += [f"{name}: has no {item}" for item in sorted(wanted - there)]
    known = [study.glob(name.replace("RUN", "*")) for name in (*told, "runs/RUN/results.csv")]
    files = {file for kind in ("csv", "json") for part in ("*", "runs/*/*") for file in study.glob(f"{part}.{kind}")}
    return found + [f"{file.name} is not on the page" for file in sorted(files.difference(*known))]


def names_in(file: Path, known: Iterable[str]) -> Iterator[str]:
    if file.suffix == ".csv":
        with file.open(encoding="utf-8", newline="") as lines:
            header = next(csv.reader(lines))
        if file.name == "scores.csv":  # the other columns are the treatments
            header = header[: 1 + ("fold" in header)]
        yield from header
    else:
        values = yaml.safe_load(file.read_text()) if file.suffix == ".yaml" else json.loads(file.read_text())
        told = {"", *map(_parent, known)}  # of other objects the page tells no single keys
        yield from (name for name in _keys(values, "") if _parent(name) in told)


def _parent(name: str) -> str:
    """The object, or the items, that hold a key; empty for one that stands alone."""
    return name[: match.end()] if (match := _INSIDE.search(name)) else ""


def _keys(value: object, before: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{before}{name}"
            yield from _keys(inner, f"{before}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from _keys(item, f"{before.removesuffix('.')}[].")

"""Write `docs/api.md` from the docstrings: `python scripts/api_reference.py`; `--check` only compares."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import yolo_dropout

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
GROUPS = {
    "Train": ("train_with_dropout", "TrainedRun", "dropout_trainer", "apply_dropout", "strip_dropout"),
    "Predict": ("predict_with_dropout",),
    "Study": ("StudySpec", "Treatment", "Dropout", "run_study", "load_study", "Study"),
    "Shift": ("measure_shift",),
    "Decide": ("decide", "Verdict", "Comparison"),
    "Sites": ("find_sites", "Site"),
}
_INTRO = """# API reference

Made from the docstrings by `python scripts/api_reference.py`. All of it is imported from `yolo_dropout`; what is not
listed here may change from release to release.
"""
_WIDTH = 100
_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Yields):$")


def page() -> str:
    """The reference as Markdown."""
    parts = [_INTRO]
    for group, names in GROUPS.items():
        parts.append(f"## {group}\n")
        parts.extend(_entry(name, getattr(yolo_dropout, name)) for name in names)
    return "\n".join(parts)


def _entry(name: str, thing: Any) -> str:
    signature = _fields(thing) if is_dataclass(thing) else _signature(thing)
    text = f"### `{name}`\n\n```python\n{signature}\n```\n\n{_markdown(thing)}\n"
    members = "".join(_members(thing)) if inspect.isclass(thing) else ""
    return f"{text}\n**Members**\n\n{members}" if members else text


def _members(cls: type) -> Iterator[str]:
    """Public properties and methods, a line each, in the order of the source, those of our base classes first."""
    for name, value in (item for owner in _ours(cls) for item in vars(owner).items()):
        method = getattr(value, "__func__", value)
        function = getattr(value, "fget", None) or getattr(value, "func", None) or method
        if not name.startswith("_") and inspect.isfunction(function):
            first = (inspect.getdoc(function) or "").splitlines()[0]
            yield f"- `.{name}{'()' if function is method else ''}`: {first}\n"


def _ours(cls: type) -> list[type]:
    return [owner for owner in reversed(cls.__mro__) if owner.__module__.startswith("yolo_dropout.")]


def _doc(thing: Any) -> str:
    """The docstring, for a class with the attributes that its base tells."""
    doc, base = inspect.getdoc(thing) or "", _ours(thing)[0] if inspect.isclass(thing) else thing
    _, told, attributes = (inspect.getdoc(base) or "").partition("\n\nAttributes:")
    return doc + told + attributes if base is not thing else doc


def _signature(function: Any) -> str:
    """The signature as written in the source, one parameter a line where it is long."""
    definition = next(node for node in ast.parse(inspect.getsource(function)).body if isinstance(node, ast.FunctionDef))
    returns = f" -> {ast.unparse(definition.returns)}" if definition.returns else ""
    short = f"{definition.name}({ast.unparse(definition.args)}){returns}"
    if len(short) <= _WIDTH:
        return short
    return _lines(definition.name, _parameters(definition.args)) + returns


def _parameters(arguments: ast.arguments) -> Iterator[str]:
    """Parameters and the marks between them, each as text."""
    defaults = [None] * (len(arguments.args) - len(arguments.defaults)) + [*arguments.defaults]
    yield from map(_parameter, arguments.args, defaults)
    if arguments.vararg or arguments.kwonlyargs:
        yield f"*{ast.unparse(arguments.vararg) if arguments.vararg else ''}"
    yield from map(_parameter, arguments.kwonlyargs, arguments.kw_defaults)
    if arguments.kwarg:
        yield f"**{ast.unparse(arguments.kwarg)}"


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    text = ast.unparse(argument) + (f" = {ast.unparse(default)}" if default else "")
    return text.replace("lambda :", "lambda:")  # as Python 3.10 writes it


def _fields(cls: Any) -> str:
    """A dataclass as it is called; what a factory makes is shown as `...`."""
    items = []
    for item in fields(cls):
        default = " = ..." if item.default_factory is not MISSING else ""
        items.append(f"{item.name}: {item.type}" + (default if item.default is MISSING else f" = {item.default!r}"))
    return _lines(cls.__name__, items)


def _lines(name: str, items: Iterable[str]) -> str:
    return f"{name}(\n" + "".join(f"    {item},\n" for item in items) + ")"


def _markdown(thing: Any) -> str:
    """A Google docstring as Markdown: sections become headings, their entries a list."""
    lines, listing = [], False
    for line in _doc(thing).splitlines():
        section = _SECTION.match(line)
        if section:
            lines.append(f"**{section[1]}**\n")
            listing = section[1] in ("Args", "Attributes", "Raises")
        elif listing and (entry := re.match(r"    (\*{0,2}\w+): (.*)", line)):
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        elif listing and line.startswith("     "):
            lines.append(f"  {line.strip()}")
        else:
            lines.append(line.strip())
    return "\n".join(lines).strip()


def main() -> int:
    """Write the page, or compare it.

    Returns:
        0, or 1 where the committed page is out of date.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if the page is out of date")
    if parser.parse_args().check:
        return int(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

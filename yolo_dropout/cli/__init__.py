"""Words -> options -> spec -> study -> exit code.

A command takes the parsed words and returns an exit code; a `YoloDropoutError` is told in one line.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module

from yolo_dropout.base.text import cut, printable
from yolo_dropout.cli.options import TAKE_KEY_VALUES, parse
from yolo_dropout.cli.output import BAD_INPUT, INTERRUPTED, settle, unbreakable_output
from yolo_dropout.errors import SpecError, YoloDropoutError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: all runs finished. 1: some failed, the rest is kept. 2: bad input, told in one line. 130: interrupted.
    """
    return run(parse(sys.argv[1:] if argv is None else argv))


def run(options: Namespace, command: Callable[[Namespace], int] | None = None) -> int:
    """Run a parsed command line, by default with the command that it names, and return the exit code."""
    settle()
    try:
        with unbreakable_output():
            return (command or _named(options))(options)
    except YoloDropoutError as error:
        print(f"yolo-dropout: {cut(printable(str(error)))}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:
        name = cut(printable(str(error.filename or "")))
        where = f"{name}: " if name else ""
        way_out = "; change its permissions" if isinstance(error, PermissionError) else ""
        print(f"yolo-dropout: {where}{error.strerror or error}{way_out}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("yolo-dropout: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED


def _named(options: Namespace) -> Callable[[Namespace], int]:
    name = options.command
    if options.key_values and name not in TAKE_KEY_VALUES:
        raise SpecError(f"argument: {name} takes no key=value, got {options.key_values[0]!r}")
    command: Callable[[Namespace], int] = getattr(import_module(f"yolo_dropout.cli.{name}"), name)
    return command  # imported now that it is asked for: that takes a while

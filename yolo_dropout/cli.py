"""Arguments -> spec -> study -> exit code."""

from __future__ import annotations

import io
import sys
from argparse import Namespace
from collections.abc import Sequence
from functools import partial
from importlib import import_module

from yolo_dropout.errors import YoloDropoutError
from yolo_dropout.exit_codes import BAD_INPUT, INTERRUPTED
from yolo_dropout.options import one_line, parse
from yolo_dropout.output import unbreakable_output


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0: all runs finished. 1: some failed, the rest is kept. 2: bad input, told in one line. 130: interrupted.
    """
    return run(parsed(sys.argv[1:] if argv is None else argv))


def parsed(words: Sequence[str]) -> Namespace:
    """The words of a command line as options; see `parse`. Here `command` is what to call with them."""
    options = parse(words)
    options.command = partial(_start, options.command)
    return options


def _start(name: str, options: Namespace) -> int:
    command = import_module(f"yolo_dropout.commands.{name}")  # the one that is asked for: imports take a while
    return int(getattr(command, name)(options))


def run(options: Namespace) -> int:
    """Run a parsed command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign shows another, and no traceback
    try:
        with unbreakable_output():
            return int(options.command(options))
    except YoloDropoutError as error:
        print(f"yolo-dropout: {one_line(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except OSError as error:
        name = one_line(str(error.filename or ""))
        where = f"{name if len(name) < 300 else f'{name[:80]}…{name[-80:]}'}: " if name else ""
        way_out = "; change its permissions" if isinstance(error, PermissionError) else ""
        print(f"yolo-dropout: {where}{error.strerror or error}{way_out}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("yolo-dropout: interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())

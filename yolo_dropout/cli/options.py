"""The words of a command line -> options."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from yolo_dropout import __version__
from yolo_dropout.base.text import printable
from yolo_dropout.cli.exit_codes import BAD_INPUT

_MANY = ("--rates", "--seeds")
_FLAGS = (
    "--retry-failed",
    "--continue-broken",
    "--until-decided",
    "--serve",
    "--dry-run",
    "--data-in-place",
    "--allow-other-versions",
)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The words as options: `command` is the command's name, `key_values` holds the key=value ones.

    Raises:
        SystemExit: They are no command line, which was told; or they ask for help or the version.
    """
    options = command_line().parse_args([word for place, word in enumerate(words) if not _is_key_value(words, place)])
    options.key_values = [word for place, word in enumerate(words) if _is_key_value(words, place)]
    return options


class _Parser(argparse.ArgumentParser):
    """Tells bad usage in one line, as every other bad input, and takes no shortened options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {printable(message)}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(BAD_INPUT)


def command_line() -> argparse.ArgumentParser:
    """What takes the options of all commands, without key=value."""
    parser = _Parser(
        prog="yolo-dropout",
        description="Does dropout help your YOLO on your data, at which rate, and how sure is that?",
    )
    parser.add_argument("--version", action="version", version=f"yolo-dropout {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    _add_sweep(commands.add_parser("sweep", help="train several rates and seeds, and say which rate to use"))
    _add_train(commands.add_parser("train", help="train once, with dropout that acts"))
    _add_check(commands.add_parser("check", help="show where dropout would act in a model"))
    _add_watch(commands.add_parser("watch", help="serve a study's report to a browser while it runs"))
    _add_report(commands.add_parser("report", help="make tables, pictures and report from finished runs"))
    return parser


def _add_sweep(parser: argparse.ArgumentParser) -> None:
    parser.usage = "yolo-dropout sweep [key=value ...] [--options]"
    parser.description = "key=value goes to YOLO.train, as in Ultralytics' own command line; options are the study's."
    parser.add_argument("--rates", nargs="*", metavar="P", help="drop probabilities (default 0 0.1 0.2 0.3 0.5)")
    parser.add_argument("--seeds", nargs="*", metavar="N", help="how many seeds, or which, such as 3-13 (default 3)")
    parser.add_argument("--until-decided", action="store_true", help="add seeds one by one until it is clear")
    parser.add_argument("--max-seeds", metavar="N", help="most seeds for --until-decided (default 12)")
    parser.add_argument("--folds", metavar="K", help="cross-validate over K folds of all images")
    parser.add_argument("--jobs", metavar="N", help="runs at a time (default auto: what cores, memory and GPUs allow)")
    parser.add_argument("--per-gpu", metavar="N", help="runs that share a GPU (default auto: as the first run shows)")
    parser.add_argument("--out", metavar="DIR", help="the study's folder (default runs/dropout/MODEL-DATA)")
    parser.add_argument("--config", metavar="FILE", help="read the study from a YAML file")
    parser.add_argument("--score", metavar="METRIC", help="what is compared (default val/loss; or METRIC@last5 ...)")
    parser.add_argument("--alpha", metavar="A", help="error level of the verdict (default 0.05)")
    parser.add_argument("--run-timeout", metavar="S", help="stop a run that takes longer, in seconds")
    parser.add_argument(
        "--continue-broken", action="store_true", help="go on from last.pt where a run broke off, instead of anew"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be trained, and what it takes")
    parser.add_argument("--serve", action="store_true", help="serve the report to a browser while the study runs")
    parser.add_argument("--retry-failed", action="store_true", help="train runs again that have failed before")
    _add_dropout_options(parser)
    _add_ray_options(parser)
    parser.set_defaults(command="sweep")


def _add_ray_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--executor", default="local", metavar="NAME", help="local, or ray for a cluster")
    parser.add_argument("--ray-address", metavar="HOST:PORT", help="the cluster (default: the one here, or a new one)")
    parser.add_argument("--cpus-per-run", metavar="N", help="CPUs that Ray keeps for a run (default 1)")
    parser.add_argument(
        "--gpus-per-run", metavar="N", help="GPUs for a run, such as 0.25 (default 1 where there are any)"
    )
    parser.add_argument("--ray-resources", action="append", metavar="NAME=N", help="a custom resource; may be repeated")
    parser.add_argument("--data-in-place", action="store_true", help="all nodes see the same paths: ship nothing")
    parser.add_argument("--ship-limit", metavar="GB", help="refuse to ship more model and data than this (default 20)")
    parser.add_argument("--allow-other-versions", action="store_true", help="train on nodes with other versions too")


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.usage = "yolo-dropout train model=... data=... dropout=P [key=value ...] | --from DIR [key=value ...]"
    parser.add_argument("--from", dest="study", metavar="DIR", help="take arguments and rate from a study")
    _add_dropout_options(parser)
    parser.set_defaults(command="train")


def _add_dropout_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--where", help="head, head.cls, head.box, neck, backbone, or a regular expression")
    parser.add_argument("--kind", help="auto, dropout, dropout2d, dropblock or drop_path")
    parser.add_argument("--schedule", help="constant, linear, early:N or late:N")


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a .pt or .yaml file, or a name that Ultralytics knows")
    parser.add_argument("--where", default="head", help="the sites to look for (default head)")
    parser.add_argument("--kind", default="auto", help="the kind of dropout (default auto)")
    parser.set_defaults(command="check")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="+", metavar="DIR", help="a study, or run folders of Ultralytics")
    parser.add_argument("--out", metavar="DIR", help="where to write (default: the study; else runs/dropout/report)")
    parser.add_argument("--score", metavar="METRIC", help="what is compared")
    parser.set_defaults(command="report")


def _add_watch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="the study's folder")
    parser.add_argument("--port", default="0", metavar="N", help="on this port of 127.0.0.1 (default: a free one)")
    parser.set_defaults(command="watch")


def _is_key_value(words: Sequence[str], place: int) -> bool:
    # `--rates 0 0.5 epochs=5`: an option that takes many words must not swallow key=value, one that takes a
    # single word may have a `=` in it.
    before = words[place - 1] if place else ""
    takes_this = before.startswith("--") and before not in (*_MANY, *_FLAGS) and "=" not in before
    return re.match(r"[A-Za-z_]\w*=", words[place]) is not None and not takes_this

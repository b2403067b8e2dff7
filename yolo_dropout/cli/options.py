"""The words of a command line -> options."""

from __future__ import annotations

import argparse
import itertools
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from yolo_dropout import __version__
from yolo_dropout.base.text import cut, printable
from yolo_dropout.cli.output import BAD_INPUT
from yolo_dropout.spec.arguments import SET_BY_STUDY, known_arguments

_DROPOUT = {
    "--where WHERE": "head, head.cls, head.box, neck, backbone, or a regular expression",
    "--kind KIND": "auto, dropout, dropout2d, dropblock or drop_path",
    "--schedule SCHEDULE": "constant, linear, early:N or late:N",
}
_SHIFT = {
    "--corruptions SET*": "benchmark, all, noise, blur, weather, digital, holdout, driving, xray, or single ones",
    "--severities N*": "of 1 to 5 (default 1 3 5)",
}
_LOOKING = {
    "--new-images": "measure every run image by image: how far differences hold on images like these",
    "--calibration": "measure every run's calibration: do its scores mean what they say",
    "--examples": "show validation images on which the control and the best treatment differ",
}
_RAY = {
    "--ray-address HOST:PORT": "the cluster (default: the one here, or a new one)",
    "--cpus-per-run N": "CPUs that Ray keeps for a run (default 1)",
    "--gpus-per-run N": "GPUs for a run, such as 0.25 (default 1 where there are any)",
    "--ray-resources NAME=N+": "a custom resource; may be repeated",
    "--data-in-place": "all nodes see the same paths: ship nothing",
    "--ship-limit GB": "refuse to ship more model and data than this (default 20)",
    "--allow-other-versions": "train on nodes with other versions too",
}
# Those by name that only `--executor ray` takes.
RAY_OPTIONS = tuple(words.split()[0].removeprefix("--") for words in _RAY)
_PREDICTION = {
    "--samples N": "draw so many masks (default: the closed form)",
    "--where WHERE": _DROPOUT["--where WHERE"],
    "--kind KIND": _DROPOUT["--kind KIND"],
}
_SELECT = {"--select METRIC": "what best.pt and patience follow: val/loss (default mAP or accuracy)"}
TAKE_KEY_VALUES = ("sweep", "train", "shift", "predict", "calibrate")
# What each command takes. An option takes one word, none, many (P*), or one at each of several times (NAME=N+).
OPTIONS = {
    "sweep": {
        "--rates P*": "drop probabilities (default 0 0.1 0.3)",
        "--treatment NAME:ARGS+": 'what is compared too: "weight decay x10: weight_decay=0.005"',
        "--remedies": "compare what may help against overfitting",
        **_DROPOUT,
        **_SELECT,
        "--config FILE": "read the study from a YAML file",
        "--seeds N*": "how many seeds, or which, such as 3-13 (default 5)",
        "--until-decided": "add seeds one by one until it is clear",
        "--max-seeds N": "seeds that the study may come to have, after looks at fewer (default 12)",
        "--folds K": "cross-validate over K folds of all images",
        "--score METRIC": "what is compared (default val/loss; or METRIC@last5 ...)",
        "--alpha A": "error level of the verdict (default 0.05)",
        "--min-gain G": "the smallest gain that matters, in units of the score (default: the control's noise)",
        "--dry-run": "say what would be trained, and what it takes",
        "--out DIR": "the study's folder (default runs/dropout/MODEL-DATA)",
        "--jobs N": "runs at a time (default auto: what cores, memory and GPUs allow)",
        "--per-gpu N": "runs that share a GPU (default auto: as the first run shows)",
        "--run-timeout S": "stop a run that takes longer, in seconds",
        "--continue-broken": "go on from last.pt where a run broke off, instead of anew",
        "--retry-failed": "train runs again that have failed before",
        "--serve": "serve the report to a browser while the study runs",
        "--shift SET*": "measure all runs on corrupted images (default benchmark)",
        **_LOOKING,
        "--executor NAME": "local, or ray for a cluster",
        **_RAY,
    },
    "train": {"--from DIR": "take arguments and rate from a study", **_SELECT, **_DROPOUT},
    "shift": {
        "--out DIR": "where to write; a folder that was begun goes on",
        **_SHIFT,
    },
    "predict": {**_PREDICTION, "--scaling FILE": "scale scores as `calibrate` found"},
    "calibrate": {**_PREDICTION, "--out DIR": "where to write (default runs/dropout/calibration)"},
    "check": {
        "--where WHERE": "the sites to look for (default head)",
        "--kind KIND": "the kind of dropout (default auto)",
    },
    "watch": {
        "--port N": "on this port of 127.0.0.1 (default: a free one)",
        "--host-name NAME+": "answer to this host too, where a proxy shows the page; may be repeated",
    },
    "report": {
        "--out DIR": "where to write (default: the one study; else runs/dropout/report)",
        "--pdf": "print the page as report.pdf too, with Chromium or Chrome",
        "--score METRIC": "what is compared",
        "--shift SET*": "measure every run on corrupted images first, as far as it was not done (default benchmark)",
        **_LOOKING,
    },
}
# Where a group of a sweep's options begins in its help, and what it is called.
_GROUPS = {
    "--rates": "what is compared",
    "--seeds": "how sure",
    "--dry-run": "how it runs",
    "--shift": "when all runs have ended",
    "--executor": "on a cluster",
}
_ONE_WORD = {
    name
    for options in OPTIONS.values()
    for name, takes in map(str.split, (words for words in options if " " in words and not words.endswith("*")))
}


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The words as options: `command` is the command's name, `key_values` holds the key=value ones."""
    parser, others, key_values = command_line(), list[str](), list[str]()
    if "_ARGCOMPLETE" in os.environ:  # a shell asks how the words go on
        import argcomplete

        argcomplete.autocomplete(parser)
    for word in words:
        if word.encode(errors="ignore").decode() != word:  # what is no UTF-8 comes as lone surrogates
            parser.error(f"must be UTF-8, got {word!r}")
    for before, word in itertools.pairwise(("", *words)):
        # `--rates 0 0.5 epochs=5`: an option that takes many words must not swallow key=value, one that takes a
        # single word may have a `=` in it.
        is_key_value = before not in _ONE_WORD and re.match(r"[A-Za-z_]\w*=", word)
        # A bare `resume`, as Ultralytics' command line takes it.
        resume = word == "resume" and words[0] == "train" and before not in _ONE_WORD
        (key_values if is_key_value or resume else others).append("resume=True" if resume else word)
    _refuse_arguments(parser, others)
    options = parser.parse_args(others)
    options.key_values = key_values
    return options


def _refuse_arguments(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    """Tell how an argument of a training is written, where it is written as an option."""
    ours = {option.split()[0] for options in OPTIONS.values() for option in options}
    for word, following in itertools.pairwise((*words, "") if words and words[0] in TAKE_KEY_VALUES else ()):
        option, _, value = word.partition("=")
        name = option[2:].replace("-", "_")
        if option.startswith("--") and option not in ours and name in known_arguments():
            value = value or (following if following and not following.startswith("-") else "...")
            told = f"is an argument of YOLO.train; write {name}={value}, without --"
            if words[0] == "sweep" and name in SET_BY_STUDY:
                told = f"the study sets it; {SET_BY_STUDY[name].format(value=value)}"
            parser.error(f"{option}: {told}")


class _Parser(argparse.ArgumentParser):
    """Tells bad usage in one line, as every other bad input, and takes no shortened options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {cut(printable(message))}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(BAD_INPUT)


class _Once(argparse.Action):
    """An option that is told again is a mistake: the last would win without a word."""

    def __call__(self, parser: Any, options: Any, values: Any, option: str | None = None) -> None:
        if self.dest in vars(options).setdefault("given", set()):
            parser.error(f"{option}: must be given once, got it again with {values!r}")
        options.given.add(self.dest)
        setattr(options, self.dest, values)


def command_line() -> argparse.ArgumentParser:
    """What takes the options of all commands, without key=value."""
    parser = _Parser(
        prog="yolo-dropout",
        description="Does dropout help your YOLO on your data, at which rate, and how sure is that?",
    )
    parser.add_argument("--version", action="version", version=f"yolo-dropout {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    sweep = commands.add_parser("sweep", help="train several rates and seeds, and say which rate to use")
    sweep.usage = "yolo-dropout sweep [key=value ...] [--options]"
    sweep.description = "key=value goes to YOLO.train, as in Ultralytics' own command line; options are the study's."
    train = commands.add_parser("train", help="train once, with dropout that acts")
    train.usage = "yolo-dropout train model=... data=... dropout=P [key=value ...] | --from DIR [key=value ...]"
    shift = commands.add_parser("shift", help="measure a checkpoint on corrupted validation images")
    shift.usage = "yolo-dropout shift model=best.pt data=... [key=value ...] --out DIR [--options]"
    predict = commands.add_parser("predict", help="predict, and say how sure each box is")
    predict.usage = "yolo-dropout predict model=... source=... [dropout=P] [key=value ...] [--options]"
    calibrate = commands.add_parser("calibrate", help="measure whether scores mean what they say, and scale them")
    calibrate.usage = "yolo-dropout calibrate model=... data=... [dropout=P] [key=value ...] [--options]"
    calibrate.set_defaults(out="runs/dropout/calibration")
    check = commands.add_parser("check", help="show where dropout would act in a model")
    check.add_argument("model", metavar="MODEL", help="a .pt or .yaml file, or a name that Ultralytics knows")
    watch = commands.add_parser("watch", help="serve a study's report to a browser while it runs")
    watch.add_argument("folder", metavar="DIR", help="the study's folder")
    report = commands.add_parser("report", help="make tables, pictures and report from finished runs")
    report.add_argument(
        "folders", nargs="+", metavar="DIR", help="a study, several to compare, or run folders of Ultralytics"
    )
    for name, command in commands.choices.items():
        group: argparse._ActionsContainer = command
        for words, told in OPTIONS[name].items():
            option, _, takes = words.partition(" ")
            many = {"*": {"nargs": "*"}, "+": {"action": "append"}}.get(takes[-1:], {})
            how: dict[str, Any] = {"action": _Once, "metavar": takes.rstrip("*+"), **many}
            how = how if takes else {"action": "store_true"}
            group = command.add_argument_group(_GROUPS[option]) if command is sweep and option in _GROUPS else group
            group.add_argument(option, help=told, **how)
        command.set_defaults(command=name)
    sweep.set_defaults(executor="local")
    check.set_defaults(where="head", kind="auto")
    watch.set_defaults(port="0", host_name=[])
    return parser

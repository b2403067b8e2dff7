"""`yolo-dropout train`: one training with dropout that acts, or the final one after a study."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path
from typing import Any

from yolo_dropout.base.text import printable
from yolo_dropout.cli.output import FINISHED
from yolo_dropout.errors import SpecError
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.study_file import read_yaml
from yolo_dropout.spec.arguments import parse_key_values
from yolo_dropout.study import load_study

_OURS = ("where", "kind", "schedule", "select")


def train(options: Namespace) -> int:
    """Train once, and say where dropout acted and where the weights are."""
    arguments = asked(options)
    from yolo_dropout.training import prepare, train_with_dropout

    model = arguments.pop("model")
    if not arguments.get("resume"):
        rest = {name: value for name, value in arguments.items() if name not in ("dropout", *_OURS)}
        places = {name: arguments[name] for name in ("where", "kind") if name in arguments}
        prepare(model, str(arguments["data"]), rest, (arguments.get("dropout") or 0.0,), **places)
    run = train_with_dropout(model, **arguments)
    rate = run.proof["rate"]  # a resumed training keeps its own
    where = f"{len(run.sites)} sites: {', '.join(run.sites)}" if run.sites else "no site, as rate 0 asks"
    print(printable(f"dropout {rate:g} acted at {where}"))
    print(printable(f"best weights: {run.best}"))
    return FINISHED


def asked(options: Namespace) -> dict[str, Any]:
    """The arguments of a training by name: of a study, then of a `cfg=`, then as given; the later win."""
    study, given = vars(options)["from"], parse_key_values(options.key_values)
    # Read here, as Ultralytics' own command line does: a cfg may hold the model and the data, and is no argument.
    held = _held_by(given.pop("cfg")) if "cfg" in given else {}
    arguments = ({} if study is None else from_study(study)) | held | given
    arguments |= {name: getattr(options, name) for name in _OURS if getattr(options, name) is not None}
    resume = arguments.get("resume")
    if isinstance(resume, str) and arguments.get("model") is None:
        arguments["model"] = resume
    needed = {"model": "model=yolo26n.pt, or --from a study", "data": "data=coco8.yaml, or --from a study"}
    if resume:  # a checkpoint knows its data
        needed = {"model": "model=last.pt, or resume=last.pt"}
    for name, example in needed.items():
        if arguments.get(name) is None:
            raise SpecError(f"{name}: is missing; add {example}")
    return arguments


def _held_by(cfg: object) -> dict[str, Any]:
    values = read_yaml(Path(str(cfg)))
    if not isinstance(values, dict):
        raise SpecError(f"cfg: {cfg} must hold `argument: value` lines, got {type(values).__name__}")
    return {name: value for name, value in values.items() if name not in ("cfg", "mode", "task")}


def from_study(path: str) -> dict[str, Any]:
    """What the final training after a study takes from it, by name."""
    study = load_study(StudyFolder.at(path, "--from").path)
    print(printable(study.verdict.reason))
    if not study.verdict.decided:
        print(f"The study has not decided; training with its control{', rate 0.0' if not study.spec.named else ''}.")
    spec, treatment = study.spec, study.spec.treatment(study.verdict.treatment)
    print(printable(f"{spec.model}: is loaded, as {study.folder.spec} says"))
    # Several GPUs are a study's pool; each of its runs trained on one, and so does the final training.
    device = re.match(r"[\[(]?\s*([^,\s]+)\s*,", str(spec.train.get("device", "")))
    one = {"device": device[1]} if device else {}
    one |= {"select": spec.select} if spec.select else {}
    return {
        "model": spec.model,
        "data": spec.data,
        **spec.train,
        **treatment.train,
        **one,
        **treatment.dropout.arguments,
    }

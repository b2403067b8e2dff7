"""`yolo-dropout train`: one training with dropout that acts, or the final one after a study."""

from __future__ import annotations

import re
from argparse import Namespace
from typing import Any

from yolo_dropout.base.text import printable
from yolo_dropout.cli.output import FINISHED
from yolo_dropout.errors import SpecError
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.spec.arguments import parse_key_values
from yolo_dropout.study import load_study

_DROPOUT = ("where", "kind", "schedule")


def train(options: Namespace) -> int:
    """Train once, and say where dropout acted and where the weights are."""
    study, given = vars(options)["from"], parse_key_values(options.key_values)
    arguments = ({} if study is None else from_study(study)) | given
    arguments |= {name: getattr(options, name) for name in _DROPOUT if getattr(options, name) is not None}
    for name, example in {"model": "model=yolo26n.pt", "data": "data=coco8.yaml"}.items():
        if name not in arguments:
            raise SpecError(f"{name}: is missing; add {example}, or --from a study")
    from yolo_dropout.training import prepare, train_with_dropout

    model = arguments.pop("model")
    if not arguments.get("resume"):
        rest = {name: value for name, value in arguments.items() if name not in ("data", "dropout", *_DROPOUT)}
        places = {name: arguments[name] for name in ("where", "kind") if name in arguments}
        prepare(model, str(arguments["data"]), rest, (arguments.get("dropout") or 0.0,), **places)
    run = train_with_dropout(model, **arguments)
    rate = run.proof["rate"]  # a resumed training keeps its own
    where = f"{len(run.sites)} sites: {', '.join(run.sites)}" if run.sites else "no site, as rate 0 asks"
    print(printable(f"dropout {rate:g} acted at {where}"))
    print(printable(f"best weights: {run.best}"))
    return FINISHED


def from_study(path: str) -> dict[str, Any]:
    """What the final training after a study takes from it, by name."""
    study = load_study(StudyFolder.at(path, "--from").path)
    print(printable(study.verdict.reason))
    if not study.verdict.decided:
        print("The study has not decided; training with its control, rate 0.0.")
    spec = study.spec
    dropout = {name: getattr(spec, name) for name in _DROPOUT} | {"dropout": study.verdict.rate}
    # Several GPUs are a study's pool; each of its runs trained on one, and so does the final training.
    device = re.match(r"[\[(]?\s*([^,\s]+)\s*,", str(spec.train.get("device", "")))
    one = {"device": device[1]} if device else {}
    return {"model": spec.model, "data": spec.data, **spec.train, **one, **dropout}

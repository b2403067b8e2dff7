"""`yolo-dropout predict`: a prediction that says how sure each box is."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from yolo_dropout.base.text import counted, printable, whole_number
from yolo_dropout.cli.output import FINISHED
from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.spec.arguments import parse_key_values

_TOLD = 5


def predict(options: Namespace) -> int:
    """Predict, write what is told of each box beside the pictures, and say which images are most doubtful."""
    arguments = {"save": True, **asked(options, "source", "images/")}
    if not arguments["save"]:
        raise SpecError(
            "save: the command writes pictures and tables; leave it out, or use predict_with_dropout in Python"
        )
    from yolo_dropout.inference import predict_with_dropout
    from yolo_dropout.inference.output import write
    from yolo_dropout.training.models import load_model

    arguments |= {"model": load_model(arguments["model"]), "stream": True, "scaling": options.scaling}
    try:
        done = write(predict_with_dropout(**arguments))
    except FileNotFoundError as error:
        if error.errno is not None:  # not of Ultralytics, which adds lines of formats
            raise
        raise InputError(f"source: {str(error).partition(chr(10))[0]}") from error
    if done.folder is None:
        raise InputError(
            f"source: no image of {arguments['source']} can be read; give images, a folder of them, or a video"
        )
    print(f"{counted(done.images, 'image')}, {done.boxes} rows; most doubtful first:")
    for name, doubt in done.doubtful[:_TOLD]:
        print(printable(f"  {doubt:.3f} nats  {name}"))
    print(printable(f"uncertainty.csv, doubtful.png and more: {done.folder}"))
    return FINISHED


def asked(options: Namespace, second: str, example: str) -> dict[str, Any]:
    """The arguments of a prediction by name: key=value, and our options where they are given."""
    arguments = parse_key_values(options.key_values)
    for name, value in {"model": "best.pt", second: example}.items():
        if arguments.get(name) is None:
            raise SpecError(f"{name}: is missing; add {name}={value}")
    if options.samples is not None:
        samples = whole_number(options.samples)
        arguments["samples"] = options.samples if samples is None else samples
    return arguments | {name: getattr(options, name) for name in ("where", "kind") if getattr(options, name)}

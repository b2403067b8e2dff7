"""`yolo-dropout calibrate`: whether scores mean what they say, and a scaling that makes them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from yolo_dropout.base.tasks import BOXES_OR_CLASS
from yolo_dropout.base.text import printable
from yolo_dropout.cli.output import FINISHED
from yolo_dropout.cli.predict import asked
from yolo_dropout.errors import SpecError
from yolo_dropout.folder.layout import StudyFolder


def calibrate(options: Namespace) -> int:
    """Measure calibration on the validation images, print and write it, and write the scaling that was fitted."""
    arguments = asked(options, "data", "coco8.yaml")
    if ours := sorted({"source", "scaling"} & arguments.keys()):
        raise SpecError(f"{ours[0]}: calibrate has its own, the images of data=; leave it out")
    from yolo_dropout.inference import predict_with_dropout
    from yolo_dropout.inference.calibration import LOWEST_SCORE, SHOWN_FROM, measure, measure_classes
    from yolo_dropout.shift.images import write_list
    from yolo_dropout.training.models import load_model

    out = StudyFolder.at(options.out).path
    yolo = load_model(arguments.pop("model"))
    if (classes := yolo.task == "classify") and "conf" in arguments:
        raise SpecError("conf: a classifier has no boxes to count; leave it out")
    conf = arguments.pop("conf", SHOWN_FROM)
    if not isinstance(conf, (int, float)) or not LOWEST_SCORE <= conf < 1:
        raise SpecError(f"conf: must be a number between {LOWEST_SCORE} and 1, got {conf!r}")
    truths = _truths(yolo, str(arguments.pop("data")), arguments)
    out.mkdir(parents=True, exist_ok=True)
    write_list(truths, out / "images.txt")
    arguments = {"verbose": False, **arguments, "conf": LOWEST_SCORE, "stream": True}
    results = predict_with_dropout(yolo, str(out / "images.txt"), **arguments)
    name = f"{arguments['samples']} samples" if "samples" in arguments else "closed form"
    way = f"dropout, {name}"
    if classes:
        _write(measure_classes(results, truths, way), out, "ECE", "images")
    else:
        _write(measure(results, truths, conf, way, arguments.get("nms") is False), out, "D-ECE", "boxes")
    return FINISHED


def _truths(yolo: Any, data: str, arguments: dict[str, Any]) -> dict[str, Any]:
    from yolo_dropout.shift.images import truths_of
    from yolo_dropout.training.preparation import check_args

    if yolo.task not in BOXES_OR_CLASS:
        raise SpecError(f"model: the task must be one of {', '.join(BOXES_OR_CLASS)}, got {yolo.task}")
    trained = (yolo.ckpt or {}).get("train_args", {})  # as one class it knows all alike
    args = {"split": arguments.pop("split", "val"), "single_cls": bool(trained.get("single_cls"))}
    return truths_of(yolo, data, check_args(args))


def _write(found: Any, out: Path, error: str, what: str) -> None:
    from yolo_dropout.inference.scaling import write_scaling
    from yolo_dropout.report.figures.reliability import reliability
    from yolo_dropout.report.figures.render import to_png

    print(found.table.to_string(index=False, float_format="{:.4f}".format))
    found.table.to_csv(out / "calibration.csv", index=False, float_format="%.6g")
    errors = dict(zip(found.table.scores, found.table[error], strict=True))
    (out / "reliability.png").write_bytes(to_png(reliability(found.curves, errors, error, what)))
    write_scaling(found.scaling, out / "scaling.json")
    print(printable(f"reliability.png, and scaling.json for `yolo-dropout predict --scaling`: {out}"))

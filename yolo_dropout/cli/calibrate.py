"""`yolo-dropout calibrate`: whether scores mean what they say, and a scaling that makes them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from yolo_dropout.base.text import printable
from yolo_dropout.cli.output import FINISHED
from yolo_dropout.cli.predict import asked
from yolo_dropout.errors import SpecError
from yolo_dropout.folder.layout import StudyFolder

_TASKS = ("detect", "segment", "pose")
_SHOWN_FROM = 0.25  # as YOLO.predict


def calibrate(options: Namespace) -> int:
    """Measure calibration on the validation images, print and write it, and write the scaling that was fitted."""
    arguments = asked(options, "data", "coco8.yaml")
    if ours := sorted({"source", "scaling"} & arguments.keys()):
        raise SpecError(f"{ours[0]}: calibrate has its own, the images of data=; leave it out")
    from yolo_dropout.inference import predict_with_dropout
    from yolo_dropout.inference.calibration import LOWEST_SCORE, measure
    from yolo_dropout.training.models import load_model

    out = StudyFolder.at(options.out).path
    yolo, conf = load_model(arguments.pop("model")), arguments.pop("conf", _SHOWN_FROM)
    if not isinstance(conf, (int, float)) or not LOWEST_SCORE <= conf < 1:
        raise SpecError(f"conf: must be a number between {LOWEST_SCORE} and 1, got {conf!r}")
    truths = _truths(yolo, str(arguments.pop("data")), arguments)
    out.mkdir(parents=True, exist_ok=True)
    (out / "images.txt").write_text("".join(f"{path}\n" for path in truths), encoding="utf-8")
    arguments = {"verbose": False, **arguments, "conf": LOWEST_SCORE, "stream": True}
    results = predict_with_dropout(yolo, str(out / "images.txt"), **arguments)
    name = f"{arguments['samples']} samples" if "samples" in arguments else "closed form"
    _write(measure(results, truths, conf, f"dropout, {name}", arguments.get("nms") is False), out)
    return FINISHED


def _truths(yolo: Any, data: str, arguments: dict[str, Any]) -> dict[str, Any]:
    from yolo_dropout.shift.images import truths_of
    from yolo_dropout.training.preparation import check_args

    if yolo.task not in _TASKS:
        raise SpecError(f"model: the task must be one of {', '.join(_TASKS)}, got {yolo.task}")
    return truths_of(yolo, data, check_args({"split": arguments.pop("split", "val")}))


def _write(found: Any, out: Path) -> None:
    from yolo_dropout.report.figures.reliability import reliability
    from yolo_dropout.report.figures.render import to_png

    print(found.table.to_string(index=False, float_format="{:.4f}".format))
    found.table.to_csv(out / "calibration.csv", index=False, float_format="%.6g")
    errors = dict(zip(found.table.scores, found.table["D-ECE"], strict=True))
    (out / "reliability.png").write_bytes(to_png(reliability(found.curves, errors)))
    found.scaling.write(out / "scaling.json")
    print(printable(f"reliability.png, and scaling.json for `yolo-dropout predict --scaling`: {out}"))

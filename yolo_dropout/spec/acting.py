"""Which arguments of `YOLO.train` a treatment may change: where they act, and what a run then shares no longer.

Read in the source of Ultralytics 8.4.190; `tests/spec/test_acting.py` trains nothing, and docs/treatments.md says more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yolo_dropout.base.tasks import BOXES
from yolo_dropout.spec.arguments import known_arguments

_BOXES = frozenset(BOXES)
_MASKS = _BOXES | {"semantic"}
_DENSE = _MASKS | {"depth"}
TASKS = _DENSE | {"classify"}


@dataclass(frozen=True)
class Acting:
    """Where an argument acts.

    Attributes:
        changes: What differs from the control of the same seed, in words.
        tasks: Those whose trainings it reaches.
    """

    changes: str
    tasks: frozenset[str]


_GROUPS = (
    ("the optimiser", TASKS, "optimizer lr0 lrf momentum weight_decay cos_lr nbs"),
    ("the optimiser", TASKS, "warmup_epochs warmup_momentum warmup_bias_lr"),
    ("the layers that learn", TASKS, "freeze"),
    ("the first weights", TASKS, "pretrained cls_remap"),
    ("the augmentation", TASKS, "scale fliplr flipud hsv_h hsv_s hsv_v"),
    ("the augmentation", _DENSE, "degrees translate shear perspective bgr"),
    ("the augmentation", _MASKS, "mosaic mixup cutmix close_mosaic multi_scale"),
    ("the augmentation", frozenset(("segment", "obb", "semantic")), "copy_paste copy_paste_mode"),
    ("the augmentation", frozenset(("classify",)), "auto_augment erasing"),
    ("the number of training images", TASKS, "fraction"),
    ("the length of the training", TASKS, "patience"),
    ("the weights of the losses", _BOXES, "box cls dfl"),
    ("the weights of the losses", _MASKS, "cls_pw"),
    ("the weights of the losses", frozenset(("pose",)), "pose kobj rle"),
    ("the weights of the losses", frozenset(("obb",)), "angle"),
    ("the weights of the losses", frozenset(("depth",)), "dlog dgrad dlam"),
)
ACTING: Mapping[str, Acting] = {
    name: Acting(changes, frozenset(tasks)) for changes, tasks, names in _GROUPS for name in names.split()
}
# They enter the validation loss as well.
LOSS_WEIGHTS = frozenset(name for name, acting in ACTING.items() if acting.changes == "the weights of the losses")


def why_ignored(name: str, task: str, given: Mapping[str, Any]) -> str | None:
    """Why an argument would change nothing, in words that follow its name; None where it acts.

    Args:
        name: The argument, one of `ACTING`.
        task: What the model does.
        given: All arguments of the training; others have Ultralytics' defaults.
    """
    args = {**known_arguments(), **given}
    mixing, warming = ("mosaic", "mixup", "cutmix", "copy_paste"), ("warmup_momentum", "warmup_bias_lr")
    closed = f"is off from the first epoch, since close_mosaic={args['close_mosaic']} ends it; add close_mosaic=0"
    jitter = f"is ignored beside auto_augment={args['auto_augment']}; add auto_augment=none"
    auto = str(args["optimizer"]).lower() == "auto"
    rules = (
        (task not in ACTING[name].tasks, f"does nothing in a {task} training"),
        (name in mixing and args["rect"], "is off with rect=True"),
        (name in mixing and args["epochs"] <= args["close_mosaic"], closed),
        (name in ("lr0", "momentum", "warmup_bias_lr") and auto, "is ignored with optimizer=auto; name one, as AdamW"),
        (name in warming and not args["warmup_epochs"], "is ignored without warmup_epochs"),
        (task == "classify" and name.startswith("hsv_") and args["auto_augment"], jitter),
    )
    return next((reason for holds, reason in rules if holds), None)

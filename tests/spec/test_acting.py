"""Which arguments act where; that they do is shown by real trainings of one of them, and by Ultralytics' source."""

from __future__ import annotations

import pytest

from yolo_dropout import StudySpec, Treatment
from yolo_dropout.spec.acting import ACTING, why_ignored
from yolo_dropout.spec.arguments import known_arguments
from yolo_dropout.spec.remedies import REMEDIES, remedies


def test_the_table_names_arguments_that_ultralytics_knows():
    assert ACTING.keys() <= known_arguments().keys()


@pytest.mark.parametrize(
    ("name", "task", "given", "told"),
    [
        ("mosaic", "detect", {"epochs": 50}, None),
        ("mosaic", "detect", {"epochs": 10}, "is off from the first epoch, since close_mosaic=10 ends it"),
        ("mosaic", "detect", {"epochs": 10, "close_mosaic": 0}, None),
        ("mosaic", "segment", {"rect": True}, "is off with rect=True"),
        ("mosaic", "classify", {}, "does nothing in a classify training"),
        ("erasing", "detect", {}, "does nothing in a detect training"),
        ("copy_paste", "detect", {}, "does nothing in a detect training"),
        ("weight_decay", "classify", {}, None),
        ("lr0", "detect", {}, "is ignored with optimizer=auto"),
        ("lr0", "detect", {"optimizer": "AdamW"}, None),
        ("warmup_momentum", "detect", {"warmup_epochs": 0}, "is ignored without warmup_epochs"),
        ("hsv_h", "classify", {}, "is ignored beside auto_augment=randaugment"),
        ("hsv_h", "classify", {"auto_augment": None}, None),
    ],
)
def test_an_argument_acts_or_the_reason_is_told(name, task, given, told):
    reason = why_ignored(name, task, given)
    assert reason == told or (reason or "").startswith(told or "?")


def test_remedies_are_treatments_that_differ_from_the_study_s_own_arguments():
    spec = StudySpec("m", "d", train={"epochs": 50, "mosaic": 0.0, "weight_decay": 0.001})
    found = dict(remedies(spec))
    assert found.keys() == REMEDIES.keys()
    assert found["weight decay x10"] == {"weight_decay": 0.01}
    assert found["early dropout"] == {"dropout": 0.1, "schedule": "early:10"}
    assert "mosaic" not in found["no augmentation"]
    assert found["default augmentation"] == {"mosaic": 1.0}
    made = StudySpec("m", "d", rates=(0, 0.1), train=spec.train, treatments=found)
    assert all(isinstance(item, Treatment) for item in made.named)

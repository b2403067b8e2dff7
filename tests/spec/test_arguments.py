"""key=value words, read as Ultralytics' own command line reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from yolo_dropout.errors import SpecError
from yolo_dropout.spec.arguments import check_train_arguments, known_arguments, parse_key_values

WORDS = ["epochs=50", "lr0=1e-3", "cos_lr=True", "device=none", "imgsz=[320,640]", "optimizer=AdamW", "model=a=b.pt"]


def test_values_are_read_as_ultralytics_reads_them():
    from ultralytics.cfg import smart_value

    assert parse_key_values(WORDS) == {key: smart_value(value) for key, value in (word.split("=", 1) for word in WORDS)}


def test_the_list_of_arguments_is_that_of_ultralytics():
    from ultralytics.utils import DEFAULT_CFG_DICT

    assert set(known_arguments()) == set(DEFAULT_CFG_DICT)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["epochs"], "argument: must be key=value, got 'epochs'; for instance epochs=50"),
        (["=5"], "argument: must be key=value, got '=5'; for instance epochs=50"),
    ],
)
def test_words_that_are_no_key_value_are_told(words, message):
    with pytest.raises(SpecError) as caught:
        parse_key_values(words)
    assert str(caught.value) == message


def test_values_are_held_as_a_study_file_gives_them_back():
    given = {"classes": (0, 1), "lr0": np.float64(0.01), "epochs": np.int64(3), "pretrained": Path("m.pt")}
    held = check_train_arguments(given | {"imgsz": np.array([64, 32])})
    assert held == {"classes": [0, 1], "epochs": 3, "imgsz": [64, 32], "lr0": 0.01, "pretrained": "m.pt"}
    assert yaml.safe_load(yaml.safe_dump(held)) == held


def test_a_value_that_no_file_can_hold_is_told():
    with pytest.raises(SpecError, match=r"^device: must be numbers or text, got <object"):
        check_train_arguments({"device": object()})

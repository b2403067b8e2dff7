"""Images on which treatments differ: what the figures say of them, and files that hold something else."""

from __future__ import annotations

import json
from base64 import b64encode
from io import BytesIO

import fakes
import pytest
from PIL import Image

from yolo_dropout.report.figures.examples import differing_images, under_corruptions
from yolo_dropout.report.figures.render import to_inline_jpeg, to_png
from yolo_dropout.results.examples import read_examples


def picture() -> str:
    buffer = BytesIO()
    Image.new("RGB", (64, 48), "white").save(buffer, "JPEG")
    return b64encode(buffer.getvalue()).decode()


def found(*, boxes=True, **changes):
    marks = [{"kind": "right", "text": "c$a$t 0.91", "box": [0.1, 0.1, 0.5, 0.5] if boxes else []}]
    marks += [{"kind": "missed", "text": "dog", "box": [0.5, 0.5, 0.9, 0.9]}] if boxes else []
    sides = {
        "control": {"score": 0.5, "mean": 0.25, "marks": marks},
        "other": {"score": 1.0, "mean": 0.75, "marks": marks},
    }
    item = {"name": "val/a.jpg", "of": 1, "picture": picture(), **sides}
    strip = [{**item, "name": name, "severity": level, "of": 0} for name, level in (("none", 0), ("motion_blur", 3))]
    values = {
        "control": "0.0",
        "treatment": "0.1",
        "seeds": [3, 7],
        "looked_at": 9,
        "images": [item] * 3,
        "shift": strip,
    }
    return values | changes


def titles(figure):
    return [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]


@pytest.mark.parametrize("boxes", [True, False])
def test_every_image_is_told_with_its_seed_its_scores_and_what_was_answered(boxes):
    figure = differing_images(found(boxes=boxes))
    assert titles(figure) == ["val/a.jpg, seed 7\ncontrol: 0.50, mean 0.25", "\nrate 0.1: 1.00, mean 0.75"] * 3
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert texts == (["c$a$t 0.91", "dog"] if boxes else ["c$a$t 0.91"]) * 6
    assert sum(len(ax.patches) for ax in figure.axes) == (12 if boxes else 0)
    assert "Of 9 validation images" in figure.texts[1].get_text() and "2 seeds" in figure.texts[1].get_text()
    assert ("IoU" in figure.texts[2].get_text()) is boxes
    assert to_png(figure)[:4] == b"\x89PNG"
    assert to_inline_jpeg(figure).startswith(
        '<img class="still" alt="Where the control and rate 0.1 differ" src="data:image/jpeg'
    )


def test_the_strip_names_corruptions_and_severities():
    figure = under_corruptions(found())
    assert [title.split("\n")[0] for title in titles(figure)] == ["clean", "", "motion blur, severity 3", ""]
    assert "seed 3" in figure.texts[1].get_text()


def test_a_file_of_other_treatments_or_of_something_else_is_as_none(tmp_path):
    file = tmp_path / "examples.json"
    assert read_examples(file, fakes.SPEC) == {}
    file.write_text(json.dumps(found()))
    assert read_examples(file, fakes.SPEC)["looked_at"] == 9
    item = found()["images"][0]
    for wrong in (
        found(treatment="0.5"),
        found(images=[{**item, "of": 2}]),
        found(images=[{**item, "picture": "no base64!"}]),
        found(images=[{**item, "picture": b64encode(b"no picture").decode()}]),
        found(images=[{**item, "control": {**item["control"], "mean": "a"}}]),
        found(images=[{**item, "other": {"score": 1, "marks": [{"kind": "odd", "text": "a", "box": []}]}}]),
        found(shift=None),
        [],
        "junk",
    ):
        file.write_text(wrong if isinstance(wrong, str) else json.dumps(wrong))
        assert read_examples(file, fakes.SPEC) == {}, wrong

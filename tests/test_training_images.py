"""Images are decoded once a run, and nothing else about them changes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from ultralytics.data import base, dataset

from yolo_dropout.training.images import decoded_once

SIDE_PX = 8
IMAGE_BYTES = SIDE_PX * SIDE_PX * 3


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / "image.png"
    assert cv2.imwrite(str(path), np.full((SIDE_PX, SIDE_PX, 3), 7, dtype=np.uint8))
    return str(path)


def replace(path: str) -> None:
    """Change the file, which shows whether it is read again."""
    assert cv2.imwrite(path, np.full((SIDE_PX, SIDE_PX, 3), 99, dtype=np.uint8))


@pytest.mark.parametrize("module", [base, dataset])
def test_a_file_is_read_once_while_the_block_runs(module, image: str):
    with decoded_once():
        first = module.imread(image)
        replace(image)
        assert np.array_equal(module.imread(image), first)
    assert module.imread(image).max() == 99


def test_what_is_handed_out_may_be_changed_without_harm(image: str):
    with decoded_once():
        base.imread(image)[:] = 0
        base.imread(image)[:] = 0
        assert base.imread(image).min() == 7


def test_grey_and_colour_of_one_file_are_two_images(image: str):
    with decoded_once():
        assert base.imread(image, flags=cv2.IMREAD_COLOR).shape[-1] == 3
        assert base.imread(image, flags=cv2.IMREAD_GRAYSCALE).shape[-1] == 1


@pytest.mark.parametrize(("budget", "seen"), [(IMAGE_BYTES, 7), (IMAGE_BYTES - 1, 99)])
def test_an_image_that_finds_no_room_is_read_again(budget: int, seen: int, image: str):
    with decoded_once(budget):
        base.imread(image)
        replace(image)
        assert base.imread(image).max() == seen


def test_a_missing_file_stays_missing(tmp_path: Path):
    with decoded_once():
        assert base.imread(str(tmp_path / "none.png")) is None

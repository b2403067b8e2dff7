"""What is the same every epoch is made once a run, and nothing else about it changes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from ultralytics.cfg import get_cfg
from ultralytics.data import base, dataset

from yolo_dropout.training.lean.images import made_once

SIDE_PX = 16  # Ultralytics takes smaller ones than 10 for broken
IMAGE_BYTES = SIDE_PX * SIDE_PX * 3
PREPARED_PX = 32
PREPARED_BYTES = PREPARED_PX**2 * 3 * 4


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
    with made_once():
        first = module.imread(image)
        replace(image)
        assert np.array_equal(module.imread(image), first)
    assert module.imread(image).max() == 99


def test_what_is_handed_out_may_be_changed_without_harm(image: str):
    with made_once():
        base.imread(image)[:] = 0
        base.imread(image)[:] = 0
        assert base.imread(image).min() == 7


def test_grey_and_colour_of_one_file_are_two_images(image: str):
    with made_once():
        assert base.imread(image, flags=cv2.IMREAD_COLOR).shape[-1] == 3
        assert base.imread(image, flags=cv2.IMREAD_GRAYSCALE).shape[-1] == 1


@pytest.mark.parametrize(("budget", "seen"), [(IMAGE_BYTES, 7), (IMAGE_BYTES - 1, 99)])
def test_an_image_that_finds_no_room_is_read_again(budget: int, seen: int, image: str):
    with made_once(budget):
        base.imread(image)
        replace(image)
        assert base.imread(image).max() == seen


def test_a_missing_file_stays_missing(tmp_path: Path):
    with made_once():
        assert base.imread(str(tmp_path / "none.png")) is None


@pytest.fixture
def classified(image: str):
    """Makes a classification data set of the one image."""
    folder = Path(image).parent / "split" / "seven"
    folder.mkdir(parents=True)
    Path(image).rename(folder / "image.png")
    args = get_cfg(overrides={"imgsz": PREPARED_PX, "scale": 0.9})
    return lambda *, augment: dataset.ClassificationDataset(folder.parent, args, augment=augment)


def test_a_validation_image_is_prepared_once(classified):
    images = classified(augment=False)
    plain = images[0]
    with made_once():
        first = images[0]
        replace(images.samples[0][0])
        again = images[0]
    assert plain["img"].equal(first["img"])
    assert plain["img"].equal(again["img"])
    assert again["cls"] == plain["cls"]
    assert not images[0]["img"].equal(plain["img"])


def test_a_training_image_is_prepared_anew_from_the_file_that_was_read_once(classified):
    images = classified(augment=True)
    pixels = np.arange(IMAGE_BYTES).reshape(SIDE_PX, SIDE_PX, 3) % 256
    assert cv2.imwrite(images.samples[0][0], pixels.astype(np.uint8))
    with made_once():
        first = images[0]["img"]
        Path(images.samples[0][0]).unlink()
        assert not all(images[0]["img"].equal(first) for _ in range(10))


def test_two_data_sets_do_not_take_each_others_images(classified):
    one, other = classified(augment=False), classified(augment=False)
    with made_once():
        first = one[0]["img"]
        replace(other.samples[0][0])
        assert not other[0]["img"].equal(first)


@pytest.mark.parametrize(("budget", "again"), [(PREPARED_BYTES, True), (PREPARED_BYTES - 1, False)])
def test_a_prepared_image_takes_room_and_its_file_none(budget: int, again: bool, classified):
    images = classified(augment=False)
    with made_once(budget):
        first = images[0]["img"]
        replace(images.samples[0][0])
        assert images[0]["img"].equal(first) is again


def test_all_images_share_the_room(image: str):
    with made_once(IMAGE_BYTES):
        base.imread(image)
        dataset.imread_unicode(image)
        replace(image)
        assert base.imread(image).max() == 7
        assert dataset.imread_unicode(image).max() == 99

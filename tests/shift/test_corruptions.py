"""One corrupted image, the sets, and what a table comes to."""

# ruff: noqa: NPY002 - the library draws from numpy's global stream

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.shift.corruptions import corrupt
from yolo_dropout.shift.sets import CORRUPTIONS, SETS, Pass, group_of, passes_of
from yolo_dropout.shift.tables import as_table, merged, passes_in, read_shift, summed_up


def picture() -> np.ndarray:
    rows, columns = np.mgrid[0:64, 0:64]
    return np.stack([rows * 3, columns * 3, (rows + columns) * 2], -1).astype(np.uint8)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corrupted_image_depends_on_image_corruption_and_severity_alone(name):
    np.random.seed(7)
    first = corrupt(picture(), Pass(name, 3), "val/a.png")
    following = np.random.random()
    np.random.seed(8)
    corrupt(picture(), Pass(name, 5), "val/b.png")
    assert np.array_equal(first, corrupt(picture(), Pass(name, 3), "val/a.png"))
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    assert not np.array_equal(first, picture())
    np.random.seed(7)
    assert np.random.random() == following, "numpy's own stream goes on as if nothing had been drawn"


def test_what_is_random_differs_from_image_to_image():
    one, other = (corrupt(picture(), Pass("impulse_noise", 3), name) for name in ("val/a.png", "val/b.png"))
    assert not np.array_equal(one, other)


def test_grey_images_stay_grey_and_the_library_sees_red_where_opencv_has_blue():
    grey = picture()[..., :1]
    assert corrupt(grey, Pass("fog", 1), "x").shape == grey.shape
    assert corrupt(grey[..., 0], Pass("fog", 1), "x").shape == grey.shape[:2]
    blue = np.zeros((64, 64, 3), np.uint8)
    blue[..., 0] = 200
    assert corrupt(blue, Pass("jpeg_compression", 1), "x")[..., 0].mean() > 190


@pytest.mark.parametrize(
    "image", [np.zeros((31, 64, 3), np.uint8), np.zeros((64, 64, 4), np.uint8), np.zeros((64, 64))]
)
def test_an_image_that_cannot_be_corrupted_is_told_by_name(image):
    with pytest.raises(InputError, match=r"val/a\.png .* needs 8 bits"):
        corrupt(image, Pass("fog", 1), "val/a.png")


def test_the_sets_are_those_of_mmdetection():
    assert len(SETS["benchmark"]) == 15
    assert len(SETS["all"]) == 19
    assert passes_of("weather", (3,)) == (Pass(), *(Pass(n, 3) for n in ("snow", "frost", "fog", "brightness")))
    assert passes_of(["noise", "fog", "fog"], [5, 1])[-2:] == (Pass("fog", 1), Pass("fog", 5))
    assert [group_of(name) for name in ("none", "fog", "rain", "gamma_up")] == ["none", "weather", "driving", "xray"]


@pytest.mark.parametrize("words, levels", [("fogg", (1,)), ("fog", (0,)), ("fog", (1.5,)), ("fog", ()), ((), (1,))])
def test_unknown_corruptions_and_severities_are_refused(words, levels):
    with pytest.raises(SpecError, match=r"corruptions|severities"):
        passes_of(words, levels)


def test_means_are_over_severities_then_corruptions_and_losses_have_no_share(tmp_path):
    values = {Pass(): 0.8, Pass("fog", 1): 0.6, Pass("fog", 5): 0.2, Pass("rain", 1): 0.5}
    table = as_table((what, {"metrics/mAP50-95(B)": value, "val/loss": 1 - value}) for what, value in values.items())
    summed = summed_up(table).set_index(["metric", "set"])
    assert summed.loc[("metrics/mAP50-95(B)", "all"), ["P", "mPC", "rPC"]].tolist() == pytest.approx(
        [0.8, 0.45, 0.5625]
    )
    assert summed.loc[("metrics/mAP50-95(B)", "weather"), "mPC"] == pytest.approx(0.4)
    assert summed.loc[("val/loss", "all"), "mPC"] == pytest.approx(0.55)
    assert np.isnan(summed.loc[("val/loss", "all"), "rPC"])
    assert merged(table.iloc[4:], table.iloc[:4]).equals(table), "the order is that of the sets"
    table.to_csv(tmp_path / "shift.csv", index=False)
    assert read_shift(tmp_path / "shift.csv").equals(table)
    assert passes_in(table) == set(values)
    (tmp_path / "shift.csv").write_text("corruption,gr")
    assert read_shift(tmp_path / "shift.csv").empty
    assert isinstance(read_shift(tmp_path / "none"), pd.DataFrame)

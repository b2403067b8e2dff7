"""Calibration: measures by hand, a scaling that repairs what was spoilt, and the command that writes both."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from yolo_dropout import predict_with_dropout
from yolo_dropout.cli import main
from yolo_dropout.errors import InputError, ScoresError, SpecError
from yolo_dropout.inference.calibration import Truth, curve, d_ece, measure
from yolo_dropout.inference.scaling import Scaling
from yolo_dropout.report.figures.reliability import reliability
from yolo_dropout.report.figures.render import to_png

ROOT = Path(__file__).parents[2]


def test_d_ece_is_the_gap_of_each_bin_weighted_by_its_boxes():
    conf, right = np.array([0.91, 0.93, 0.95, 0.31, 1.0]), np.array([1, 0, 1, 1, 1.0])
    table = curve(conf, right)
    assert list(table.boxes) == [1, 2, 2]
    assert d_ece(table) == pytest.approx((1 * (1 - 0.31) + 2 * abs(0.92 - 0.5) + 2 * abs(0.975 - 1)) / 5)


def test_scaling_repairs_scores_that_a_known_scaling_spoilt():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000)
    right = (rng.random(20_000) < 1 / (1 + np.exp(-logits))).astype(float)
    spoilt = 1 / (1 + np.exp(-(2 * logits + 1)))
    scaling = Scaling.fit(spoilt, right)
    assert scaling.slope == pytest.approx(0.5, abs=0.02)
    assert scaling.offset == pytest.approx(-0.5, abs=0.04)
    assert d_ece(curve(scaling(spoilt), right)) < 0.1 * d_ece(curve(spoilt, right))
    np.testing.assert_allclose(scaling(torch.tensor(spoilt)).numpy(), scaling(spoilt), rtol=1e-5)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_scaled_scores_stay_scores(conf: list[float]):
    right = np.arange(len(conf)) % 2.0
    scaled = Scaling.fit(np.array(conf), right)(np.array(conf))
    assert np.isfinite(scaled).all()
    assert ((scaled >= 0) & (scaled <= 1)).all()


def test_a_scaling_survives_its_file_and_is_refused_for_another_branch_or_another_file(tmp_path: Path):
    scaling = Scaling(0.5, -0.25, end2end=False, fitted_on=10)
    scaling.write(tmp_path / "scaling.json")
    assert Scaling.read(tmp_path / "scaling.json") == scaling
    starter, image = ROOT / "datasets" / "starter.pt", np.zeros((64, 64, 3), np.uint8)
    args = {"imgsz": 64, "verbose": False, "conf": 0.0, "max_det": 3, "scaling": tmp_path / "scaling.json"}
    found = predict_with_dropout(str(starter), image, **args)[0]
    np.testing.assert_allclose(found.uncertainty.conf_scaled, scaling(found.boxes.conf.numpy()), rtol=1e-5)
    with pytest.raises(SpecError, match="scaling: was fitted to scores of the branch NMS"):
        predict_with_dropout(str(starter), image, nms=False, **args)
    (tmp_path / "scaling.json").write_text("[1, 2]")
    with pytest.raises(InputError, match=r"scaling: .*scaling.json is none that"):
        Scaling.read(tmp_path / "scaling.json")


def test_a_scaling_needs_boxes_of_both_kinds():
    with pytest.raises(ScoresError, match="got 0 and 3"):
        Scaling.fit(np.full(3, 0.5), np.zeros(3))


def test_calibrate_measures_three_ways_and_writes_what_predict_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    caches = shutil.ignore_patterns("*.cache")  # which trainings here may have left
    data = shutil.copytree(ROOT / "datasets" / "digits-detect", tmp_path / "data", ignore=caches) / "data.yaml"
    # The starter knows letters, some of which are numbered as the digits that they look like.
    model = f"model={ROOT / 'datasets' / 'starter.pt'}"
    out = tmp_path / "out"
    words = [model, f"data={data}", "imgsz=128", "conf=0.01", "--samples", "9", "--out", str(out)]
    assert main(["calibrate", *words]) == 0
    table = pd.read_csv(out / "calibration.csv")
    assert list(table.scores) == ["plain", "dropout, 9 samples", "scaled"]
    assert len(set(table.boxes)) == 1
    assert table["D-ECE"][2] < table["D-ECE"][0]
    assert table["mAP50-95"][2] == pytest.approx(table["mAP50-95"][0], abs=1e-6)
    assert table["mAP50-95"][0] > 0
    assert set(json.loads((out / "scaling.json").read_text())) == {"slope", "offset", "end2end", "fitted_on"}
    assert (out / "reliability.png").stat().st_size > 10_000
    image = next((data.parent / "images" / "val").iterdir())
    asked = ["--scaling", str(out / "scaling.json"), f"save_dir={tmp_path / 'p'}", "imgsz=128"]
    assert main(["predict", model, f"source={image}", *asked]) == 0
    assert "conf_scaled" in pd.read_csv(tmp_path / "p" / "uncertainty.csv")
    capsys.readouterr()
    assert main(["calibrate", *words[:1], "data=no.yaml"]) == 2
    assert "no.yaml does not exist" in capsys.readouterr().err
    assert main(["calibrate", *words[:2], "conf=2"]) == 2
    assert "conf: must be a number" in capsys.readouterr().err
    assert main(["calibrate", *words[:2], "source=a.jpg"]) == 2
    assert "source: calibrate has its own" in capsys.readouterr().err
    assert not list(data.parent.rglob("*.cache"))


def test_the_diagram_shows_each_way():
    ways = {"plain": curve(np.linspace(0, 0.99, 50), np.ones(50)), "scaled": curve(np.full(9, 0.5), np.ones(9))}
    figure = reliability(ways, dict.fromkeys(ways, 0.1))
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["plain\nD-ECE 0.100", "scaled\nD-ECE 0.100"]
    assert to_png(figure)[:4] == b"\x89PNG"


def test_a_half_without_boxes_to_measure_is_told():
    image = ["a", "b", "c", "d"]
    fit = np.random.default_rng(0).permutation(image)[:2]
    found = pd.DataFrame({"image": image, "plain": [0.9 if name in fit else 0.1 for name in image]})
    found["iou0"] = [float(name == fit[0]) for name in image]
    truths = {name: Truth(np.zeros(1), np.zeros((1, 4))) for name in image}
    found_instead = patch("yolo_dropout.inference.calibration.boxes_of", return_value=found.assign(dropout=0.5))
    with found_instead, pytest.raises(ScoresError, match="conf: no box of the half to measure"):
        measure([], truths, 0.5, "dropout", False)

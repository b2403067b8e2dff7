"""Calibration: measures by hand, a scaling that repairs what was spoilt, and the command that writes both."""

from __future__ import annotations

import json
import shutil
import string
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ultralytics import YOLO
from ultralytics.engine.results import Results
from ultralytics.utils.ops import xywhr2xyxyxyxy

from yolo_dropout import predict_with_dropout
from yolo_dropout.cli import main
from yolo_dropout.cli.calibrate import _truths
from yolo_dropout.errors import InputError, ScoresError, SpecError
from yolo_dropout.inference.calibration import Truth, boxes_of, curve, d_ece, measure, of_classes
from yolo_dropout.inference.scaling import Scaling, Temperature, read_scaling, write_scaling
from yolo_dropout.report.figures.reliability import reliability
from yolo_dropout.report.figures.render import to_png
from yolo_dropout.shift.calibrated import calibrated
from yolo_dropout.shift.images import truths_of, write_list
from yolo_dropout.training.preparation import check_args

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
    write_scaling(scaling, tmp_path / "scaling.json")
    assert read_scaling(tmp_path / "scaling.json") == scaling
    starter, image = ROOT / "datasets" / "starter.pt", np.zeros((64, 64, 3), np.uint8)
    args = {"imgsz": 64, "verbose": False, "conf": 0.0, "max_det": 3, "scaling": tmp_path / "scaling.json"}
    found = predict_with_dropout(str(starter), image, **args)[0]
    np.testing.assert_allclose(found.uncertainty.conf_scaled, scaling(found.boxes.conf.numpy()), rtol=1e-5)
    with pytest.raises(SpecError, match="scaling: was fitted to scores of the branch NMS"):
        predict_with_dropout(str(starter), image, nms=False, **args)
    (tmp_path / "scaling.json").write_text("[1, 2]")
    with pytest.raises(InputError, match=r"scaling: .*scaling.json is none that"):
        read_scaling(tmp_path / "scaling.json")


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
    folders, letters = data.read_text().partition("names:")[0], list(string.ascii_uppercase)
    data.write_text(f"{folders}names: {letters}\n")
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
    for others, told in (list(range(10)), "10 classes (0, 1, 2 and 7 more)"), (letters[::-1], "26 classes (Z, Y, X"):
        data.write_text(f"{folders}names: {others}\n")
        assert main(["calibrate", *words]) == 2
        error = capsys.readouterr().err
        assert f"has {told}" in error
        assert "and the model 26 classes (A, B, C and 23 more); give the data set that it is for" in error


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text is written and read as where the system's encoding is that of German Windows, unless another is named."""
    plain = Path.write_text
    monkeypatch.setattr(Path, "write_text", lambda path, text, encoding=None: plain(path, text, encoding or "cp1252"))


@pytest.mark.usefixtures("windows")
def test_a_list_of_images_is_in_the_encoding_in_which_ultralytics_reads_it(tmp_path: Path):
    write_list(["C:/Bilder/a.png", "C:/Bilder/Grün.png"], tmp_path / "images.txt")
    assert (tmp_path / "images.txt").read_text(encoding="cp1252").splitlines()[1] == "C:/Bilder/Grün.png"
    with pytest.raises(InputError, match=r"^data: C:/Bilder/Őz\.png has letters that this .* lacks; .* PYTHONUTF8=1$"):
        write_list(["C:/Bilder/a.png", "C:/Bilder/Őz.png", "C:/b.png"], tmp_path / "images.txt")


def test_a_model_that_knows_all_classes_as_one_is_calibrated_as_such(tmp_path: Path):
    yolo = YOLO(ROOT / "datasets" / "starter.pt")
    yolo.model.names, yolo.ckpt = {0: "item"}, {"train_args": {"single_cls": True}}
    truths = _truths(yolo, str(ROOT / "datasets" / "digits-detect" / "data.yaml"), {})
    assert {int(name) for truth in truths.values() for name in truth.classes} == {0}


def test_classes_are_compared_by_their_numbers_in_whatever_order_a_file_lists_them(tmp_path: Path):
    yolo, data = YOLO(ROOT / "datasets" / "starter.pt"), tmp_path / "data.yaml"
    images = f"path: {ROOT / 'datasets' / 'digits-detect'}\ntrain: images/train\nval: images/val\n"
    listed = "".join(f"  {number}: {name}\n" for number, name in reversed(yolo.names.items()))
    data.write_text(f"{images}names:\n{listed}")
    assert _truths(yolo, str(data), {})


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    """Images as the embedded classifier takes them; of three one is filed as another letter than it says."""
    root = tmp_path_factory.mktemp("letters")
    starter = YOLO(ROOT / "datasets" / "starter-cls.pt")
    for name in starter.names.values():
        for part in ("train", "val"):
            (root / part / name).mkdir(parents=True)
    images = sorted((ROOT / "datasets" / "digits-classify" / "val").rglob("*.png"))[::16]
    for i, (image, result) in enumerate(zip(images, starter.predict(images, verbose=False), strict=True)):
        letter = (result.probs.top1 + (i % 3 == 0)) % len(starter.names)
        for part in ("train", "val"):
            shutil.copy(image, root / part / starter.names[letter] / f"{i}-{letter}.png")
    return root


def test_a_classifier_is_measured_by_all_its_classes_and_scaled_by_a_temperature(
    letters: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    model, out = ROOT / "datasets" / "starter-cls.pt", tmp_path / "out"
    words = [f"model={model}", f"data={letters}", "--samples", "5", "--out", str(out)]
    assert main(["calibrate", *words]) == 0
    table = pd.read_csv(out / "calibration.csv").set_index("scores")
    assert table.columns.to_list() == ["images", "top1", "ECE", "Brier"]
    assert table.index.to_list() == ["plain", "dropout, 5 samples", "scaled"]
    assert table.top1["plain"] == table.top1["scaled"]
    assert table.Brier["plain"] != table.Brier["dropout, 5 samples"]
    scaling = read_scaling(out / "scaling.json")
    assert isinstance(scaling, Temperature)
    image = str(next(letters.glob("val/*/*")))
    (found,) = predict_with_dropout(str(model), image, scaling=out / "scaling.json", verbose=False)
    assert found.uncertainty.conf_scaled[0] == pytest.approx(float(scaling(found.probs.data).max()), rel=1e-5)
    assert found.mean_probs.shape == found.probs.data.shape
    with pytest.raises(SpecError, match="scaling: was fitted to a classifier, got a model of the task detect"):
        predict_with_dropout(str(ROOT / "datasets" / "starter.pt"), image, scaling=scaling, verbose=False)
    with pytest.raises(SpecError, match="scaling: was fitted to boxes, got a classifier"):
        predict_with_dropout(str(model), image, scaling=Scaling(1, 0, end2end=False, fitted_on=9), verbose=False)
    assert main(["calibrate", *words, "conf=0.1"]) == 2
    assert "conf: a classifier has no boxes" in capsys.readouterr().err
    ((_, measured),) = calibrated([model], str(letters), {"device": "cpu"})
    paths = sorted(letters.glob("val/*/*"))
    p = torch.stack([result.probs.data for result in YOLO(model).predict(paths, verbose=False)]).numpy()
    assert measured == pytest.approx(
        of_classes(p, np.array([int(path.stem.split("-")[1]) for path in paths])), abs=1e-4
    )


def test_errors_of_a_classifier_by_hand():
    p = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]])
    found = of_classes(p, np.array([0, 1]))
    assert found["brier"] == pytest.approx((0.09 + 0.04 + 0.01 + 0.25 + 0.49 + 0.04) / 2)
    assert found["dece"] == pytest.approx((0.3 + 0.5) / 2)


def test_a_temperature_repairs_what_a_known_one_spoilt_and_needs_wrong_answers():
    rng = np.random.default_rng(0)
    logits = torch.as_tensor(rng.normal(0, 2, (5_000, 4)))
    targets = torch.multinomial(logits.softmax(1), 1, generator=torch.Generator().manual_seed(0))[:, 0].numpy()
    found = Temperature.fit((logits * 3).softmax(1).numpy(), targets)
    assert found.temperature == pytest.approx(3, abs=0.15)
    with pytest.raises(ScoresError, match="got 2 and 0"):
        Temperature.fit(np.eye(2), np.arange(2))


def test_rotated_boxes_are_right_by_their_rotated_overlap(tmp_path: Path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((64, 128, 3), np.uint8))
    box = torch.tensor([64.0, 32, 60, 12, 0.5])
    corners = xywhr2xyxyxyxy(box) / torch.tensor([128.0, 64])
    (tmp_path / "labels" / "a.txt").write_text(f"0 {' '.join(map(str, corners.flatten().tolist()))}\n")
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: {0: ship}\n")
    yolo = YOLO(ROOT / "datasets" / "starter.pt")
    yolo.task, yolo.model.names = "obb", {0: "ship"}
    truths = truths_of(yolo, str(tmp_path / "data.yaml"), check_args({"imgsz": 64}))
    turned = torch.stack([box, box * torch.tensor([1, 1, 1, 1, -1])])
    obb = torch.cat([turned, torch.tensor([[0.9, 0], [0.8, 0]])], 1)
    result = Results(np.zeros((64, 128, 3), np.uint8), str(tmp_path / "images" / "a.png"), {0: "ship"}, obb=obb)
    found = boxes_of([result], truths)
    assert found.plain.to_list() == pytest.approx([0.9, 0.8])
    assert found.iou0.to_list() == [1, 0], "turned the other way it has the same upright box"
    assert found.iou8[0] == 1


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

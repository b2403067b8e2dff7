"""Real checkpoints under shift: trained for two epochs on the embedded digits, in this process."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import documented
import fakes
import numpy as np
import pandas as pd
import pytest
import torch
from ultralytics import YOLO
from ultralytics.utils.metrics import ap_per_class

from yolo_dropout import measure_shift, train_with_dropout
from yolo_dropout.cli import main
from yolo_dropout.executors import View
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.local.shifting import measure_into, one_device
from yolo_dropout.folder.results_csv import read_results
from yolo_dropout.inference.calibration import Truth
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.shift.calibrated import calibrated
from yolo_dropout.shift.examples import matched
from yolo_dropout.shift.per_image import Seen, per_image
from yolo_dropout.shift.sets import passes_of
from yolo_dropout.shift.tables import read_shift
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import measure_study, run_study

pytestmark = pytest.mark.train
DATASETS = Path(__file__).parents[2] / "datasets"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A copy of the embedded data set with eight validation images."""
    root = tmp_path_factory.mktemp("data") / "digits"
    shutil.copytree(DATASETS / "digits-detect", root, ignore=shutil.ignore_patterns("*.cache"))
    for image in sorted((root / "images" / "val").iterdir())[8:]:
        image.unlink()
    return root / "data.yaml"


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory):
    quiet = {"plots": False, "verbose": False, "device": "cpu", "project": str(tmp_path_factory.mktemp("run"))}
    learning = {"optimizer": "AdamW", "lr0": 0.01, "warmup_epochs": 0, "freeze": 23, "mosaic": 0, "fliplr": 0}
    return train_with_dropout(
        str(DATASETS / "starter.pt"), data=str(digits), epochs=2, imgsz=128, batch=3, **learning, **quiet
    )


def contents(root: Path) -> dict[str, str]:
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(root.rglob("*")) if f.is_file()}


def test_a_clean_pass_is_the_row_of_the_best_epoch_and_no_file_is_changed(trained, digits):
    before = contents(digits.parent)
    found = measure_shift(trained.best, digits, corruptions=["fog", "rain"], severities=[5])
    assert contents(digits.parent) == before
    results = read_results(trained.results_csv)
    clean = found[found["severity"] == 0].set_index("metric")["value"]
    assert set(clean.index) == {name for name in results.metrics if name.startswith(("val/", "metrics/"))}
    for name, value in clean.items():  # weights in files have 16 bits
        assert value == pytest.approx(results.curve(name)[results.best_row], rel=0.01, abs=2e-3), name
    assert clean["metrics/mAP50(B)"] > 0
    foggy = found[found["corruption"] == "fog"].set_index("metric")["value"]
    assert foggy["val/loss"] > clean["val/loss"] + 0.1, "fog makes it harder"


def test_processes_say_what_one_says_and_go_on_where_they_broke_off(trained, digits, tmp_path):
    passes = passes_of(["fog", "rain"], [1, 5])
    files = {tmp_path / "a.csv": trained.best, tmp_path / "b.csv": trained.last}
    told = list[str]()
    measure_into(files, str(digits), passes, {"device": "cpu"}, log=tmp_path / "log", tell=told.append)
    assert sorted(line.split("measured ")[1] for line in told) == ["clean images", "fog", "rain"]
    alone = measure_shift(trained.last, digits, corruptions=["fog", "rain"], severities=[1, 5], device="cpu")
    assert read_shift(tmp_path / "b.csv").equals(alone)
    whole = {file: file.read_bytes() for file in files}
    without_fog = alone[alone["corruption"] != "fog"]
    without_fog.to_csv(tmp_path / "b.csv", index=False)
    told.clear()
    measure_into(files, str(digits), passes, {"device": "cpu"}, log=tmp_path / "log", tell=told.append)
    assert {file: file.read_bytes() for file in files} == whole
    assert told == ["[1/1] measured fog"]
    measure_into(files, str(digits), passes, {"device": "cpu"}, log=tmp_path / "log", tell=told.append)
    assert told == ["[1/1] measured fog"], "what is known is not measured again"


def test_the_command_prints_what_was_measured_and_refuses_other_folders(trained, digits, tmp_path, capsys):
    words = ["shift", f"model={trained.best}", f"data={digits}", "--out", str(tmp_path / "out"), "--severities", "5"]
    assert main([*words, "--corruptions", "fog"]) == 0
    out = capsys.readouterr().out
    assert "mAP50-95 (boxes): clean (P), mean under shift (mPC), and its share (rPC)" in out
    assert (tmp_path / "out" / "summary.csv").exists()
    assert main([*words, "--corruptions", "rain"]) == 2
    assert "has fog" in capsys.readouterr().err
    elsewhere = shutil.copy(trained.best, tmp_path / "copy.pt")  # the same model
    assert main(["shift", f"model={elsewhere}", *words[2:], "--corruptions", "fog"]) == 0
    for other in (f"model={trained.last}", f"model={trained.best}"):
        more = ["imgsz=32"] if other == words[1] else []
        assert main(["shift", other, *more, *words[2:], "--corruptions", "fog"]) == 2
        assert f"was measured with another {'imgsz' if more else 'model'};" in capsys.readouterr().err
    assert main([*words[:3], "--out", str(digits.parent)]) == 2
    assert "holds" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, told",
    [
        ({"model": "model=yolo26n.yaml"}, "needs trained weights"),
        ({"model": f"model={DATASETS / 'starter.pt'}"}, "has 10 classes (0, 1, 2 and 7 more), and the model 26 "),
        ({"model": "model=nowhere.pt"}, "does not exist"),
        ({"data": "imgsz=64"}, "data: is missing"),
        ({"corruptions": "fogg"}, "no set or corruption is called 'fogg'"),
        ({"severities": "9"}, "severities: must be whole numbers from 1 to 5"),
    ],
)
def test_bad_words_are_told_in_one_line(change, told, trained, digits, tmp_path, capsys):
    usual = {
        "model": f"model={trained.best}",
        "data": f"data={digits}",
        "corruptions": "fog",
        "severities": "1",
    } | change
    words = [usual["model"], usual["data"], "--corruptions", usual["corruptions"], "--severities", usual["severities"]]
    assert main(["shift", *words, "--out", str(tmp_path / "out")]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert err.count("\n") == 1


def test_without_the_library_one_line_tells_what_to_install(trained, digits, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    assert main(["shift", f"model={trained.best}", f"data={digits}", "--out", str(tmp_path / "out")]) == 2
    assert 'pip install "yolo-dropout[shift]"' in capsys.readouterr().err


@pytest.fixture(scope="module")
def finished(trained, digits, tmp_path_factory):
    """A study of two rates and two seeds, whose runs' weights are the same two checkpoints."""
    spec = StudySpec(trained.best, digits, rates=(0, 0.1), seeds=2, train={"device": "cpu"})
    folder = tmp_path_factory.mktemp("study")
    study = run_study(spec, folder, executor=LocalExecutor(jobs=2), backend=fakes.FAKE, publish=publish_tables)
    for run in study.table.results:
        weights = study.folder.run(run.name).path / "weights"
        weights.mkdir(exist_ok=True)
        shutil.copy(trained.last if run.rate else trained.best, weights / ("last.pt" if run.rate else "best.pt"))
    return folder


@pytest.mark.usefixtures("no_pictures")
def test_a_finished_study_is_measured_once_and_judged_by_what_that_says(finished, trained, digits, capsys):
    words = ["report", str(finished), "--shift", "rain", "--score", "shift/loss"]
    assert main(words) == 0
    assert "[2/2] measured" in capsys.readouterr().out
    alone = measure_shift(trained.last, digits, corruptions="rain", device="cpu")
    own = finished / "runs" / "p0.10-s1" / "shift.csv"
    assert read_shift(own).equals(alone)
    assert len(read_shift(finished / "shift.csv")) == 0, "it has columns rate and seed too"
    assert (finished / "shift.csv").read_text().count("rain") > 0
    own.unlink()
    for weights in set(finished.rglob("*.pt")) - set(own.parent.rglob("*.pt")):
        weights.write_bytes(b"")  # what is known is not measured again
    assert main(words) == 0
    assert read_shift(own).equals(alone)


def test_shift_goes_with_studies(trained, capsys):
    assert main(["report", str(trained.save_dir), "--shift"]) == 2
    assert "--shift: goes with studies" in capsys.readouterr().err


@pytest.fixture(scope="module")
def letters(digits, tmp_path_factory):
    """The digits, labelled by the starter as the letters that it knows, and a starter that is less sure of them."""
    root = Path(shutil.copytree(digits.parent, tmp_path_factory.mktemp("letters") / "data"))
    starter = YOLO(DATASETS / "starter.pt")
    for result in starter.predict(str(root / "images" / "val"), conf=0.25, verbose=False):
        boxes = [
            f"{int(c)} {' '.join(map(str, box))}"
            for c, box in zip(result.boxes.cls, result.boxes.xywhn.tolist(), strict=True)
        ]
        (root / "labels" / "val" / f"{Path(result.path).stem}.txt").write_text("\n".join(boxes) + "\n")
    for label in (root / "labels" / "train").iterdir():
        label.write_text("0 0.5 0.5 0.2 0.2\n")
    (root / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames: {starter.names}\n")
    for layer in starter.model.model[-1].modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.out_channels == len(starter.names):
            layer.bias.data -= 0.7
    starter.save(root / "unsure.pt")
    return root


def test_images_on_which_treatments_differ_are_shown_and_one_under_every_corruption(letters, tmp_path, capsys):
    spec = StudySpec(DATASETS / "starter.pt", letters / "data.yaml", rates=(0, 0.1), seeds=3, train={"device": "cpu"})
    study = run_study(spec, tmp_path, executor=LocalExecutor(jobs=2), backend=fakes.FAKE, publish=publish_tables)
    for run in study.table.results:
        weights = study.folder.run(run.name).path / "weights" / "best.pt"
        weights.parent.mkdir(exist_ok=True)
        shutil.copyfile(letters / "unsure.pt" if run.rate == 0 and run.seed else DATASETS / "starter.pt", weights)
    before = contents(letters)
    words = ["report", str(tmp_path), "--shift", "rain", "--new-images", "--examples", "--calibration"]
    assert main(words) == 0
    assert contents(letters) == before
    shown = pd.read_csv(tmp_path / "calibration.csv").set_index(["metric", "rate", "seed"])["value"].loc["boxes"]
    assert (shown[0.0] < shown[0.1]).to_list() == [False, True, True], "unsure ones show fewer"
    assert "[6/6] measured p0." in capsys.readouterr().out
    images = pd.read_csv(tmp_path / "new_images.csv").set_index("metric")
    assert images.index.to_list() == ["val/loss", "metrics/mAP50-95(B)"]
    assert set(images["seeds"]) == {3} and set(images["images"]) == {8}
    assert images.loc["val/loss", "difference"] > 0 == images.loc["metrics/mAP50-95(B)", "difference"], (
        "as all are unsure"
    )
    assert (images["new_low"] <= images["low"]).all()
    found = json.loads((tmp_path / "examples.json").read_text())
    assert (found["control"], found["treatment"], found["seeds"], found["looked_at"]) == ("0.0", "0.1", [0, 1, 2], 8)
    assert [item["name"] for item in found["shift"]] == ["none", "rain"]
    assert 0 < len(found["images"]) <= 2, "the control is nowhere better"
    for item in found["images"]:
        label = letters / "labels" / "val" / f"{Path(item['name']).stem}.txt"
        for side in (item["control"], item["other"]):
            right, wrong, missed = (sum(m["kind"] == k for m in side["marks"]) for k in ("right", "wrong", "missed"))
            assert right + missed == len(label.read_text().splitlines())
            assert side["score"] == pytest.approx(2 * right / (2 * right + wrong + missed))
        assert item["of"] == 1
        assert (item["other"]["score"], item["other"]["mean"]) == (1, 1)
        assert item["control"]["mean"] == pytest.approx((1 + 2 * item["control"]["score"]) / 3)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg") == 2 and "On new images like these" in page
    assert {"examples.png", "shift_examples.png"} <= {path.name for path in (tmp_path / "figures").iterdir()}
    assert documented.faults(tmp_path) == []


class Impatient(View):
    """Asks to stop at the third look."""

    asked = 0

    def stopped(self):
        self.asked += 1
        return self.asked == 3


def test_the_search_for_images_ends_soon_when_it_is_asked_to(letters, tmp_path):
    spec = StudySpec(DATASETS / "starter.pt", letters / "data.yaml", rates=(0, 0.1), seeds=2, train={"device": "cpu"})
    study = run_study(spec, tmp_path, executor=LocalExecutor(), backend=fakes.FAKE, publish=publish_tables)
    for run in study.table.results:
        weights = study.folder.run(run.name).path / "weights" / "best.pt"
        weights.parent.mkdir(exist_ok=True)
        shutil.copyfile(DATASETS / "starter.pt", weights)
    view = Impatient()
    with pytest.raises(KeyboardInterrupt):
        measure_study(study, (), view, examples=True)
    assert view.asked == 3, "of 32 looks"
    assert not study.folder.examples.exists()


def test_what_is_shown_of_an_image_counts_one_box_for_an_object_of_its_class():
    boxes = np.array([[0.1, 0.1, 0.3, 0.3], [0.1, 0.1, 0.31, 0.3], [0.6, 0.6, 0.9, 0.9]])
    truth = Truth(np.array([4.0, 5.0]), np.array([[0.1, 0.1, 0.3, 0.3], [0.6, 0.6, 0.9, 0.9]]))
    assert matched(truth, boxes, np.array([4, 4, 6])) == ({0}, {0})
    assert matched(truth, boxes, np.array([4, 4, 5])) == ({0, 2}, {0, 1})
    assert matched(truth, boxes[:0], np.array([])) == (set(), set())


def test_a_checkpoint_that_finds_nothing_has_no_calibration(letters):
    yolo = YOLO(letters / "unsure.pt")
    for layer in yolo.model.model[-1].modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.out_channels == len(yolo.names):
            layer.bias.data -= 20
    assert list(calibrated([yolo], str(letters / "data.yaml"), {"device": "cpu"})) == [(0, {"boxes": 0})]
    ((_, found),) = calibrated([DATASETS / "starter.pt"], str(letters / "data.yaml"), {"device": "cpu"})
    conf = torch.cat(
        [result.boxes.conf for result in YOLO(DATASETS / "starter.pt").predict(letters / "images" / "val")]
    )
    assert found["boxes"] == len(conf), "all are right, since they are the labels"
    assert found["brier"] == pytest.approx(float(((1 - conf) ** 2).mean()), abs=1e-3)
    assert found["dece"] == pytest.approx(float((1 - conf).mean()), abs=1e-3)


@pytest.mark.parametrize("option", ["--examples", "--new-images", "--calibration"])
def test_what_asks_checkpoints_goes_with_studies(option, trained, capsys):
    assert main(["report", str(trained.save_dir), option]) == 2
    assert f"{option}: goes with studies" in capsys.readouterr().err


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_new_images_are_refused_for_folds_before_anything_is_trained(more, digits, tmp_path, capsys):
    words = [
        "sweep",
        "model=yolo26n.yaml",
        f"data={digits}",
        "--folds",
        "2",
        "--new-images",
        "--out",
        str(tmp_path / "s"),
    ]
    assert main([*words, *more]) == 2
    assert "new-images: cannot go with folds" in capsys.readouterr().err
    assert not (tmp_path / "s" / "runs").exists()


def test_an_image_is_told_as_a_data_set_of_it_alone_would_be(trained, digits, tmp_path):
    ((_, rows),) = per_image([trained.best], str(digits), {"device": "cpu"})
    alone = Path(shutil.copytree(digits.parent, tmp_path / "alone")) / "data.yaml"
    first, *others = sorted((alone.parent / "images" / "val").iterdir())
    for image in others:
        image.unlink()
    clean = measure_shift(trained.best, alone, corruptions="rain", severities=[1], device="cpu").set_index(
        ["severity", "metric"]
    )
    told = {name: value for name, metric, value in rows if metric == "val/loss"}
    assert len(told) == 8
    assert told[f"val/{first.name}"] == pytest.approx(clean.loc[(0, "val/loss"), "value"], abs=1e-4)


def test_map_is_shared_out_by_what_it_is_without_each_image():
    def stats(right, conf):
        return {
            "tp": np.array([[right] * 10]),
            "conf": np.array([conf]),
            "pred_cls": np.zeros(1),
            "target_cls": np.zeros(1),
        }

    images, seen = [stats(True, 0.9), stats(False, 0.8), stats(True, 0.7)], Seen("detect")
    for n in range(1, 4):
        known = {name: [image[name] for image in images[:n]] for name in images[0]}
        seen.look(SimpleNamespace(loss={"box": 1.0 * n, "cls": 0.5 * n * n}, metrics=SimpleNamespace(stats=known)))
    rows = list(seen.rows(["a", "b", "c"]))
    assert rows[:3] == [("a", "val/loss", 1.5), ("b", "val/loss", 2.5), ("c", "val/loss", 3.5)]

    def whole(kept):
        return ap_per_class(*(np.concatenate([images[i][name] for i in kept]) for name in images[0]))[5].mean()

    expected = np.array([3 * whole([0, 1, 2]) - 2 * whole([i for i in range(3) if i != left]) for left in range(3)])
    found = np.array([value for *_, value in rows[3:]])
    assert found.mean() == pytest.approx(whole([0, 1, 2])) != pytest.approx(expected.mean())
    assert found - found.mean() == pytest.approx(expected - expected.mean())
    assert expected[1] < min(expected[0], expected[2]), "the image with the wrong box"


def test_a_classifier_is_right_or_wrong_about_an_image():
    seen = Seen("classify")
    for n, right in enumerate((True, False), start=1):
        predicted = [torch.tensor([[3, 1]])] * n
        wanted = [torch.tensor([3 if right else 1])] * n
        seen.look(SimpleNamespace(loss={"loss": 2.0 * n}, pred=predicted, targets=wanted, metrics=None))
    assert [row[1:] for row in seen.rows(["a", "b"])] == [("val/loss", 2.0)] * 2 + [
        ("metrics/accuracy_top1", 1.0),
        ("metrics/accuracy_top1", 0.0),
    ]


def test_images_of_one_name_in_folders_of_one_name_count_one_by_one(trained, digits, tmp_path):
    data = Path(shutil.copytree(digits.parent, tmp_path / "two")) / "data.yaml"
    for part in ("images", "labels"):
        shutil.copytree(data.parent / part / "val", data.parent / "other" / part / "val")
    text = data.read_text().replace("val: images/val", "val: [images/val, other/images/val]")
    data.write_text(text)
    (_, first), (_, second) = per_image([trained.best, trained.last], str(data), {"device": "cpu"})
    losses = {name: value for name, metric, value in first if metric == "val/loss"}
    assert len(losses) == 16
    once = [name for name in losses if not name.endswith(" (2)")]
    assert [losses[f"{name} (2)"] for name in once] == pytest.approx([losses[name] for name in once], abs=1e-3)
    ((_, alone),) = per_image([trained.last], str(data), {"device": "cpu"})
    assert second == alone, "the images are those of the model before it"


@pytest.mark.parametrize(
    ("given", "taken"),
    [(None, None), ("", None), ("cpu", "cpu"), (0, "0"), ("0,1", "0"), ([2, 3], "2"), ("cuda:1", "cuda:1"), (-1, "-1")],
)
def test_one_device_of_those_that_a_study_has_measures(given, taken):
    spec = replace(fakes.SPEC, train={} if given is None else {"device": given})
    assert one_device(spec) == ({} if taken is None else {"device": taken})

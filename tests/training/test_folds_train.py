"""Folds in real trainings: of a study, and of plain Ultralytics."""

from __future__ import annotations

from pathlib import Path

import documented
import pytest
import torch
import yaml
from made_studies import Watcher
from tiny_data import CLS, NET, make_data

from yolo_dropout import Dropout, Treatment
from yolo_dropout.errors import InputError
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.folder.results_csv import read_results
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.results.table import score_of
from yolo_dropout.spec.score import Score
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import load_study, run_study
from yolo_dropout.training.folds.splitting import split_data

pytestmark = pytest.mark.train
SMALL = {"imgsz": 64, "batch": 2}
BOTH = Treatment("both", Dropout(0.3), {"weight_decay": 0.01})


def validated(fold: Path) -> list[str]:
    """Which images validate in a fold, by where they come from: split and name."""
    files = list((fold / "images" / "val").iterdir())
    return ["/".join(file.resolve().parts[-2:]) for file in files]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six images: train/0.png and val/0.png share a name, and train/3.png is a background image."""
    data = make_data("detect", tmp_path / "data")
    (tmp_path / "data" / "labels" / "train" / "3.txt").unlink()
    return data


def test_a_study_over_two_folds_goes_on_after_an_interrupt_with_the_same_splits(tmp_path, data):
    spec = StudySpec(
        str(NET), str(data), rates=(0,), seeds=1, folds=2, train={"epochs": 1, **SMALL}, treatments=(BOTH,)
    )
    out, asked = tmp_path / "study", []

    def after_one_run():
        asked.append(1)
        return len(asked) > 1

    study = run_study(spec, out, executor=LocalExecutor(jobs=1), publish=publish_tables, view=Watcher(after_one_run))
    assert [record.run.name for record in study.records] == ["p0.00-s0-f0"]
    folds = [out / "folds" / name for name in ("f0", "f1")]
    made = {path: path.lstat().st_mtime_ns for path in out.glob("folds/**/*") if path.is_symlink()}
    study = run_study(spec, out, executor=LocalExecutor(jobs=2), publish=publish_tables)
    assert [record.run.name for record in study.records] == [
        "p0.00-s0-f0", "both-s0-f0", "p0.00-s0-f1", "both-s0-f1",
    ]  # fmt: skip
    assert study.failed == () and study.scores.notna().all(axis=None)
    assert {path: path.lstat().st_mtime_ns for path in made} == made
    assert sorted(validated(folds[0]) + validated(folds[1])) == [
        "train/0.png", "train/1.png", "train/2.png", "train/3.png", "val/0.png", "val/1.png",
    ]  # fmt: skip
    for record in study.records:
        arguments = yaml.safe_load((out / "runs" / record.run.name / "args.yaml").read_text())
        assert arguments["data"] == str(out / "folds" / f"f{record.fold}" / "data.yaml")
        assert arguments["weight_decay"] == (0.01 if record.treatment == "both" else 0.0005)
    assert not list(data.parent.glob("labels/*.cache.lock"))
    assert [len(list(fold.glob("labels/*.cache"))) for fold in folds] == [2, 2]
    assert load_study(out).scores.equals(study.scores)
    assert documented.faults(out) == []


def test_images_that_change_after_the_folds_were_made_are_told(tmp_path, data):
    split_data(str(NET), str(data), SMALL, 2, tmp_path / "folds")
    (data.parent / "images" / "val" / "1.png").unlink()
    with pytest.raises(InputError, match="was made from other images, or for other folds; use another --out"):
        split_data(str(NET), str(data), SMALL, 2, tmp_path / "folds")


@pytest.mark.parametrize("form", ["lists", "text files", "val within train"])
def test_train_and_val_may_be_lists_text_files_or_the_same_images(tmp_path, data, form):
    root = data.parent
    images = {split: sorted((root / "images" / split).iterdir()) for split in ("train", "val")}
    for split, files in images.items():
        (root / f"{split}.txt").write_text("\n".join(f"./images/{split}/{file.name}" for file in files))
    train, val = {
        "lists": (["images/train", "images/val"], ["images/val"]),
        "text files": ("train.txt", "val.txt"),
        "val within train": ("images", "images/val"),
    }[form]
    fields = {"path": str(root), "train": train, "val": val, "names": {0: "red", 1: "green"}}
    data.write_text(yaml.safe_dump(fields))
    found = split_data(str(NET), str(data), SMALL, 3, tmp_path / "folds")
    assert (found["n_images"], found["n_train"], found["n_val"]) == (6, 4, 2)
    assert any("classes with fewer images than the 3 folds" in note for note in found["notes"])


@pytest.mark.parametrize(("task", "model"), [("segment", "seg"), ("pose", "pose"), ("obb", "obb")])
def test_folds_keep_what_a_task_needs_of_its_data(tmp_path, task, model):
    data = make_data(task, tmp_path / "data")
    found = split_data(f"yolo26n-{model}.yaml", str(data), SMALL, 2, tmp_path / "folds")
    assert (found["n_images"], found["n_train"], found["n_val"]) == (6, 3, 3)
    fields = yaml.safe_load((tmp_path / "folds" / "f1" / "data.yaml").read_text())
    assert fields.get("kpt_shape") == ([2, 3] if task == "pose" else None)


def test_plain_ultralytics_trains_a_classifier_on_a_fold_and_best_pt_is_the_epoch_that_best_means(tmp_path):
    from ultralytics import YOLO

    data = make_data("classify", tmp_path / "data")
    deeper = data / "train" / "red" / "of" / "one day"
    deeper.mkdir(parents=True)
    (data / "train" / "red" / "0.png").rename(deeper / "0.png")
    found = split_data(str(CLS), str(data), SMALL, 3, tmp_path / "folds")
    assert (found["n_images"], found["n_train"], found["n_val"]) == (6, 4, 2)
    model = YOLO(CLS)
    learning = {"epochs": 5, "optimizer": "AdamW", "lr0": 0.02, "warmup_epochs": 0, "nbs": 2, "plots": False, **SMALL}
    model.train(data=str(tmp_path / "folds" / "f2"), save_dir=str(tmp_path / "run"), **learning)
    assert model.names == {0: "green", 1: "red"}
    results = read_results(tmp_path / "run" / "results.csv")
    kept = torch.load(tmp_path / "run" / "weights" / "best.pt", weights_only=False)["train_metrics"]
    assert score_of(results, Score("val/loss", "best")) == pytest.approx(kept["val/loss"], rel=1e-5)
    # Two images admit few accuracies, so that epochs tie; the losses tell which of them was kept.
    assert len(set(results.curve("metrics/accuracy_top1"))) < 5
    assert len(set(results.curve("val/loss"))) == 5

"""The files that travel are all that a training reads: the original is gone when the copy is looked at."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from tiny_data import N_TRAIN, N_VAL, make_data

from yolo_dropout import Dropout, StudySpec, Treatment
from yolo_dropout.executors.ray.archive import pack, unpack
from yolo_dropout.executors.ultralytics.backend import inputs
from yolo_dropout.training.inputs import input_files

MODELS = {
    "detect": "yolo26n.yaml",
    "classify": "yolo26n-cls.yaml",
    "semantic": "yolo26n-sem.yaml",
    "depth": "yolo26n-depth.yaml",
}


def looked_at(task: str, data: Path) -> tuple[int, int]:
    from ultralytics.cfg import get_cfg

    from yolo_dropout.training.data import look_at_data
    from yolo_dropout.training.models import load_model

    found = look_at_data(load_model(MODELS[task]), str(data), get_cfg(overrides={"imgsz": 64}))
    return found.n_train, found.n_val


def moved(task: str, data: Path, root: Path) -> Path:
    """What `data` becomes on a node, after the original has gone."""
    files = input_files(MODELS[task], str(data), {})
    assert set(files) == {"data"}
    unpack(pack(files["data"].files), root / "node")
    shutil.rmtree(root / "data")
    return root / "node" / files["data"].entry


@pytest.mark.parametrize("task", MODELS)
def test_a_data_set_of_each_kind_works_elsewhere(task, tmp_path):
    data = make_data(task, tmp_path / "data")
    assert looked_at(task, moved(task, data, tmp_path)) == (N_TRAIN, N_VAL)


def labels_of(data: Path) -> int:
    from ultralytics.data.utils import img2label_paths

    images = [str(path) for path in data.parent.rglob("*.png")]
    return sum(Path(label).is_file() for label in img2label_paths(images))


def test_lists_of_images_and_folders_with_images_below_the_split_work_elsewhere(tmp_path):
    data = make_data("detect", tmp_path / "data")
    root = data.parent
    for kind in ("images", "labels"):  # as Roboflow lays it out
        (root / "val").mkdir(exist_ok=True)
        (root / kind / "val").rename(root / "val" / kind)
    listed = [f"./images/train/{path.name}" for path in sorted((root / "images" / "train").iterdir())]
    listed[0] = str((root / listed[0]).resolve())
    (root / "train.txt").write_text("\n".join(listed))
    spec = yaml.safe_load(data.read_text()) | {"train": "train.txt", "val": "val/images", "path": str(root)}
    data.write_text(yaml.safe_dump(spec))
    (root / "unrelated.bin").touch()
    there = moved("detect", data, tmp_path)
    assert looked_at("detect", there) == (N_TRAIN, N_VAL)
    assert labels_of(there) == N_TRAIN + N_VAL
    assert not list(there.parent.rglob("unrelated.bin"))


def test_model_files_and_files_that_arguments_name_travel_too(tmp_path):
    data = make_data("detect", tmp_path / "data")
    starter = Path(__file__).parents[2] / "datasets" / "starter.pt"
    files = input_files(str(starter), str(data), {"pretrained": str(starter), "epochs": 3, "optimizer": "SGD"})
    assert set(files) == {"data", "model", "pretrained"}
    assert files["model"].files == {"starter.pt": starter}
    assert files["model"].entry == "starter.pt"


def test_a_class_without_an_image_counts_elsewhere_too(tmp_path):
    data = make_data("classify", tmp_path / "data")
    for split in ("train", "val"):
        (data / split / "zebra").mkdir()
    classes = sorted(place.name for place in (data / "train").iterdir() if place.is_dir())
    place = moved("classify", data, tmp_path)
    assert sorted(folder.name for folder in (place / "train").iterdir()) == classes
    assert looked_at("classify", place) == (N_TRAIN, N_VAL)


def test_a_file_that_a_treatment_names_travels_and_is_named_as_it_lies_on_a_node(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed")
    from yolo_dropout.executors.ray.shipping import ShippedFiles, spec_on_node

    weights, spare = tmp_path / "other.pt", Treatment("spare", train={"freeze": 3})
    weights.touch()
    own = Treatment("a: b", Dropout(0.1), {"pretrained": str(weights), "freeze": 2})
    asked = StudySpec(MODELS["detect"], str(make_data("detect", tmp_path / "data")), treatments=(own, spare))
    found = inputs(asked)
    assert set(found) == {"data", 'treatments: "a: b": pretrained'}
    sent = {name: ShippedFiles(files.entry, f"{len(files.files)}", 1, ()) for name, files in found.items()}
    here = spec_on_node(sent, asked, SimpleNamespace(fetch=lambda digest, *_: Path("/node") / digest))
    assert here.named == (replace(own, train={"pretrained": "/node/1/other.pt", "freeze": 2}), spare)
    assert here == replace(asked, data=here.data, treatments=here.named) and here.data.startswith("/node")

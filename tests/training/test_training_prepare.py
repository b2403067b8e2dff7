"""What is wrong with a model, a data set or an argument is said once, in one line, before any training."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tiny_data import NET, make_data

from yolo_dropout.errors import InputError, SiteError, SpecError, YoloDropoutError
from yolo_dropout.executors.ultralytics.backend import ULTRALYTICS
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.training import prepare, train_with_dropout
from yolo_dropout.training.models import load_model
from yolo_dropout.training.preparation import check_args

MODEL = "yolo26n.yaml"
loaded = cache(load_model)  # to look at a model changes nothing of it, and to build one takes half a second
ARGS: dict[str, Any] = {"epochs": 1, "imgsz": 32, "batch": 2}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data("detect", tmp_path / "detect")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody answers there
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.delenv("YOLO_OFFLINE", raising=False)  # with it nobody asks


def refusal(error: type[YoloDropoutError], model: str, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(error) as caught:
        prepare(loaded(model), *args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.oldest
def test_it_tells_what_will_be_trained_and_can_be_stored(data: Path) -> None:
    found = prepare(MODEL, str(data), ARGS, [0.0, 0.3])
    assert (found.task, found.model_name) == ("detect", "yolo26n.yaml")
    assert (found.n_train, found.n_val, found.n_classes, len(found.sites)) == (4, 2, 2, 12)
    assert found.notes == ("box: only 16 channels, so dropout is coarse",)
    assert found.branch_note == "val losses: one-to-one branch; mAP: one-to-many branch + NMS"
    assert {"python", "torch", "ultralytics", "yolo-dropout"} <= set(found.versions)
    json.dumps(asdict(found))


@pytest.mark.oldest
def test_nms_false_takes_both_numbers_from_one_branch(data: Path) -> None:
    found = prepare(loaded(MODEL), str(data), {**ARGS, "nms": False}, [0.0])
    assert found.branch_note == "val losses: one-to-one branch; mAP: one-to-one branch, no NMS"


def test_a_head_with_one_branch_needs_no_note(data: Path) -> None:
    assert prepare(loaded("yolov8n.yaml"), str(data), ARGS, [0.0]).branch_note == ""


def test_the_control_alone_looks_for_no_site(data: Path) -> None:
    assert prepare(loaded(MODEL), str(data), ARGS, [0.0], where="no.such.module").sites == ()


@pytest.mark.oldest
def test_it_writes_the_label_cache_that_runs_would_race_for(data: Path) -> None:
    prepare(loaded(MODEL), str(data), ARGS, [0.0])
    assert sorted(file.name for file in (data.parent / "labels").glob("*.cache")) == ["train.cache", "val.cache"]


def test_fraction_and_batch_are_seen(data: Path) -> None:
    found = prepare(loaded(MODEL), str(data), {**ARGS, "fraction": 0.5, "batch": 8}, [0.0])
    assert found.n_train == 2
    assert found.notes == ("batch=8 is more than the 2 training images: one step an epoch",)


def test_a_classification_folder_is_looked_at(tmp_path: Path) -> None:
    found = prepare(loaded("yolo26n-cls.yaml"), str(make_data("classify", tmp_path)), ARGS, [0.2])
    assert (found.n_train, found.n_val, found.n_classes, found.sites) == (4, 2, 2, ("model.10.drop",))


def test_a_site_that_is_missing_is_told_before_any_training(data: Path) -> None:
    assert "no site for where='head.mask'" in refusal(
        SiteError, loaded(MODEL), str(data), ARGS, [0.0, 0.1], "head.mask"
    )


@pytest.mark.oldest
@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"epoch": 3}, "epoch: no such argument; did you mean epochs?"),
        ({"epochs": "many"}, "train arguments: 'epochs=many' is of invalid type str."),
        ({"epochs": 0}, "train arguments: 'epochs=0' is an invalid value."),
        ({"lr0": 2.0}, "train arguments: 'lr0=2.0' "),
        ({"optimizer": "SDG"}, "train arguments: Optimizer 'SDG' not found"),
        ({"imgsz": "big"}, "train arguments: 'imgsz=big' is not a valid image size."),
        ({"device": "mps"}, "train arguments: device=mps is not available here. Leave it out."),
        ({"device": "99"}, "train arguments: Invalid CUDA 'device=99' requested."),
    ],
)
def test_a_wrong_training_argument_is_refused(data: Path, args: dict[str, Any], message: str) -> None:
    assert refusal(SpecError, MODEL, str(data), args, [0.0]).startswith(message)


@pytest.mark.oldest
@pytest.mark.parametrize(
    "optimizer", ["Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD", "MuSGD", "auto", "musgd"]
)
def test_every_optimizer_of_ultralytics_is_taken(optimizer: str) -> None:
    assert check_args({"optimizer": optimizer}).optimizer == optimizer


@pytest.mark.oldest
@pytest.mark.parametrize(
    ("name", "value", "means"),
    [
        ("half", True, {"quantize": 16}),
        ("int8", True, {"quantize": 8}),
        ("end2end", True, {"nms": False}),
        ("line_thickness", 2, {"line_width": 2}),
        *((name, True, {}) for name in ("boxes", "hide_labels", "hide_conf", "label_smoothing", "keras")),
        *((name, True, {}) for name in ("save_hybrid", "crop_fraction")),
    ],
)
def test_what_ultralytics_takes_by_a_name_of_before_is_taken(
    name: str, value: object, means: dict[str, object]
) -> None:
    train = StudySpec(model="m", data="d", train={name: value}).train
    assert vars(check_args(dict(train))).items() >= means.items()


def test_an_image_size_of_any_form_is_taken(data: Path) -> None:
    def found(imgsz: object) -> object:
        return ULTRALYTICS.inspect(StudySpec(NET, data, rates=(0, 0.1), train={**ARGS, "imgsz": imgsz}))

    of_a_number = found(64)
    assert [found(imgsz) == of_a_number for imgsz in ([64], (32, 64), "64")] == [True] * 3


@pytest.mark.oldest
def test_an_ndjson_file_is_taken_as_stock_takes_it(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiohttp", reason="Ultralytics needs aiohttp to read NDJSON")
    from ultralytics.data import converter

    monkeypatch.setattr(converter, "DATASETS_DIR", tmp_path / "converted")
    images = sorted(data.parent.glob("images/*/*"))
    lines: list[dict[str, Any]] = [{"type": "dataset", "task": "detect", "class_names": {"0": "a", "1": "b"}}]
    for image in images:
        label = (data.parent / "labels" / image.parent.name / f"{image.stem}.txt").read_text().split()
        boxes = {"boxes": [[int(label[0]), *map(float, label[1:])]]}
        lines.append({"type": "image", "file": image.name, "split": image.parent.name, "annotations": boxes})
    lines[0]["path"] = "."
    file = data.parent / "squares.ndjson"
    file.write_text("\n".join(map(json.dumps, lines)))
    found = prepare(loaded(MODEL), str(file), ARGS, [0.0])
    assert (found.n_train, found.n_val, found.n_classes) == (4, 2, 2)
    file.write_text(json.dumps(lines[0]) + '\n{"type": "image", "url": "https://example.org/0.png"}\n')
    assert "cannot be downloaded (nothing is downloaded in a dry" in refusal(
        InputError, loaded(MODEL), str(file), ARGS, [0.0]
    )
    file.write_text("no JSON")
    assert refusal(InputError, MODEL, str(file), ARGS, [0.0]).startswith(f"data: {file} cannot be used: ")


@pytest.mark.parametrize("rate", [1.0, -0.1, "abc"])
def test_a_wrong_rate_is_refused(data: Path, rate: Any) -> None:
    assert refusal(SpecError, MODEL, str(data), ARGS, [0.0, rate]).startswith("dropout: the rate must be")


@pytest.mark.parametrize("name", ["nowhere.yaml", "no/where.yaml", "nowhere", "no/where"])
def test_a_data_set_that_is_not_there_is_refused(name: str, offline: None) -> None:
    assert refusal(InputError, MODEL, name, ARGS, [0.0]).startswith(f"data: {name} ")
    assert refusal(InputError, "yolo26n-cls.yaml", name, ARGS, [0.0]).startswith("data: ")


def test_images_that_are_missing_and_cannot_be_downloaded_are_told(tmp_path: Path, offline: None) -> None:
    file = tmp_path / "data.yaml"
    file.write_text("path: gone\ntrain: a\nval: b\nnames: [x]\ndownload: https://ultralytics.com/assets/coco8.zip\n")
    assert "are not here and cannot be downloaded" in refusal(InputError, MODEL, str(file), ARGS, [0.0])
    file.write_text("path: gone\ntrain: a\nval: b\nnames: [x]\n")
    assert "images not found, missing path" in refusal(InputError, MODEL, str(file), ARGS, [0.0])


@pytest.mark.oldest
@pytest.mark.parametrize("content", ["[1, 2", "train: images/train\n", "train: images/train\nval: images/val\n"])
def test_a_broken_data_yaml_is_refused(data: Path, content: str) -> None:
    data.write_text(content)
    assert refusal(InputError, MODEL, str(data), ARGS, [0.0]).startswith(f"data: {data} cannot be used: ")


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_empty_split_is_refused(data: Path, split: str) -> None:
    for image in (data.parent / "images" / split).iterdir():
        image.unlink()
    assert refusal(InputError, MODEL, str(data), ARGS, [0.0]).startswith("data: ")


@pytest.mark.oldest
def test_labels_that_are_no_labels_are_refused(data: Path) -> None:
    for label in (data.parent / "labels" / "train").iterdir():
        label.write_text("9 0.5 0.5 3 4\n")
    assert refusal(InputError, MODEL, str(data), ARGS, [0.0]).startswith("data: ")


@pytest.mark.oldest
@pytest.mark.parametrize(
    ("model", "task", "message"),
    [
        ("yolo26n-cls.yaml", "detect", "a classify model needs a folder"),
        ("yolo26n.yaml", "classify", "a detect model needs a data YAML"),
        ("yolo26n-seg.yaml", "detect", "Please supply a segment dataset"),
        ("yolo26n-pose.yaml", "detect", "a pose model needs kpt_shape"),
    ],
)
def test_a_model_of_another_task_is_refused(model: str, task: str, message: str, tmp_path: Path) -> None:
    assert message in refusal(InputError, model, str(make_data(task, tmp_path)), ARGS, [0.0])


@pytest.mark.parametrize("name", ["nowhere.pt", "no/where/best.pt", "nowhere.yaml", "nowhere"])
def test_a_model_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"^model: {name} ") as error:
        load_model(name)
    assert "\n" not in str(error.value)


REFUSED = """
from yolo_dropout.errors import InputError
from yolo_dropout.training.models import load_model
from yolo_dropout.training.preparation import check_args
for name in ("yolo26n.pt", "yolo26n"):
    try:
        load_model(name)
    except InputError as error:
        print("REFUSED", error)
"""


def test_a_model_that_cannot_be_downloaded_is_refused_at_once(offline: None, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", REFUSED], cwd=tmp_path, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("REFUSED")]
    for line, name in zip(lines, ("yolo26n.pt", "yolo26n"), strict=True):
        assert line.startswith(f"REFUSED model: {name} is not here and cannot be downloaded; put the file there")
        assert line.endswith("or start from scratch with yolo26n.yaml")


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "best.pt"
    file.write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=r"^model: .*best.pt cannot be loaded: "):
        load_model(file)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(InputError, match=r"^model: needs a .pt or .yaml model that can be trained, got int"):
        load_model(3)


def test_a_wrong_keyword_is_told_with_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"^epoch: no such argument; did you mean epochs\?"):
        train_with_dropout(MODEL, data="coco8.yaml", epoch=3)


def test_several_data_sets_are_refused() -> None:
    with pytest.raises(SpecError, match=r"^data: must be one data set, got 2"):
        train_with_dropout(MODEL, data=["a.yaml", "b.yaml"])


@pytest.mark.parametrize("given", [{"quantize": 8}, {"int8": True}])
def test_training_for_int8_is_taken_with_dropout(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^model: "):  # past all checks of arguments
        train_with_dropout("nosuch.pt", dropout=0.1, **given)


def test_a_rate_in_a_cfg_file_is_refused_unless_it_is_given_too(tmp_path: Path) -> None:
    cfg = tmp_path / "my.yaml"
    cfg.write_text("dropout: 0.3\n")
    with pytest.raises(
        SpecError, match=r"^dropout: .*my.yaml says 0.3, which is not taken from there; pass dropout=0.3"
    ):
        train_with_dropout(MODEL, data="d.yaml", cfg=str(cfg))
    with pytest.raises(InputError, match="model: "):  # past that check
        train_with_dropout("nosuch.pt", data="d.yaml", cfg=str(cfg), dropout=0.3)


def test_the_digest_of_the_data_changes_with_its_files_and_not_with_its_place(data: Path, tmp_path: Path) -> None:
    def digest(where: Path) -> str:
        found = prepare(loaded(MODEL), str(where), ARGS, [0.0])
        return found.data_digest + found.data_content

    first = digest(data)
    assert digest(data) == first
    moved = shutil.copytree(data.parent, tmp_path / "moved") / data.name
    moved.write_text(moved.read_text().replace(str(data.parent), str(moved.parent)))
    assert digest(moved) == first
    label = next((moved.parent / "labels" / "train").glob("*.txt"))
    label.write_text(str(1 - int(label.read_text()[0])) + label.read_text()[1:])  # another class, as many bytes
    relabelled = digest(moved)
    assert relabelled != first
    next((moved.parent / "images" / "train").iterdir()).unlink()
    assert digest(moved) not in (first, relabelled)


@pytest.mark.parametrize(("task", "folder"), [("semantic", "masks"), ("depth", "depth")])
def test_the_digest_of_the_data_changes_with_labels_that_are_images(task: str, folder: str, tmp_path: Path) -> None:
    data, model = make_data(task, tmp_path / task), f"yolo26n-{task[:3] if task == 'semantic' else task}.yaml"
    first = prepare(loaded(model), str(data), ARGS, [0.0]).data_content
    label = next((data.parent / folder / "train").iterdir())
    label.write_bytes(label.read_bytes() + b" ")
    assert prepare(loaded(model), str(data), ARGS, [0.0]).data_content != first


@pytest.mark.oldest
@pytest.mark.parametrize("task", ["detect", "segment", "pose", "obb", "classify", "semantic", "depth"])
def test_a_score_that_the_task_has_not_is_refused_before_the_first_run(task: str, tmp_path: Path) -> None:
    suffix = {"detect": "", "classify": "-cls", "segment": "-seg", "semantic": "-sem"}.get(task, f"-{task}")
    data = str(make_data(task, tmp_path / task))

    def spec(score: str) -> StudySpec:
        return StudySpec(model=f"yolo26n{suffix}.yaml", data=data, rates=(0, 0.1), score=score, train=ARGS)

    with pytest.raises(SpecError, match=rf"^score: a {task} training has no metric 'mAP'; there are val/loss"):
        ULTRALYTICS.inspect(spec("mAP"))
    headline = {"classify": "accuracy_top1", "semantic": "mIoU", "depth": "abs_rel"}.get(task, "mAP50-95(B)")
    assert ULTRALYTICS.inspect(spec(f"metrics/{headline}")).task == task


def test_prepare_leaves_nothing_in_the_working_folder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    prepare(MODEL, str(data), ARGS, [0.1])
    assert list(empty.iterdir()) == []

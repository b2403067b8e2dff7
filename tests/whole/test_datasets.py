from __future__ import annotations

import csv
import gzip
import hashlib
import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DATASETS = ROOT / "datasets"
SCRIPTS = ROOT / "scripts"
DETECT = DATASETS / "digits-detect"
CLASSIFY = DATASETS / "digits-classify"
CLOTHES = DATASETS / "fashion-detect", DATASETS / "fashion-classify"
OF_CLASSES = {CLASSIFY: DETECT, CLOTHES[1]: CLOTHES[0]}
ids = {"ids": lambda folder: folder.name}
STARTERS = sorted(DATASETS.glob("*.pt"))
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.fixture(scope="module")
def build() -> Callable[..., int]:
    """The script that made the data sets, as a function of its words."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: the digits come from it")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SCRIPTS))
        script = importlib.import_module("build_datasets")
    return lambda *words: script.main(words)


def read_boxes(path: Path) -> np.ndarray:
    return np.loadtxt(path, ndmin=2)


def read_sources(split: str, folder: Path = DETECT) -> list[dict[str, str]]:
    with (folder / f"sources-{split}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return np.asarray(image).tobytes()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DATASETS, tmp_path / "datasets", ignore=shutil.ignore_patterns("*.pt", "*.cache")))


def test_a_fresh_build_equals_the_tree(build, capsys):
    assert build("--check") == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert "equal a fresh build" in told.out


def test_check_tells_changed_missing_and_foreign_files_but_not_another_png_encoder(build, copy, capsys):
    changed, missing, reencoded = sorted((copy / "digits-detect" / "images" / "train").glob("*.png"))[:3]
    shutil.copy(changed, changed.with_name("foreign.png"))
    with Image.open(changed) as image:
        image.putpixel((0, 0), tuple(255 - value for value in image.getpixel((0, 0))))
        image.save(changed)
    missing.unlink()
    before = reencoded.read_bytes()
    with Image.open(reencoded) as image:
        image.save(reencoded, compress_level=1)
    assert reencoded.read_bytes() != before

    assert build("--check", "--root", str(copy)) == 1
    told = {line.rsplit("/", 1)[-1] for line in capsys.readouterr().out.splitlines() if not line.startswith("clothes")}
    assert told == {f"{changed.name}: differs", f"{missing.name}: missing", "foreign.png: not from this script"}


def test_build_writes_what_check_accepts(build, tmp_path):
    assert build("--root", str(tmp_path)) == 0
    assert build("--check", "--root", str(tmp_path)) == 0


def test_clothes_are_made_of_the_files_of_fashion_mnist(build, tmp_path, capsys):
    source, labels = tmp_path / "source", np.repeat(np.arange(10, dtype=np.uint8), 60)
    source.mkdir()
    for file in ("train", "t10k"):
        pictures = np.zeros((600, 28, 28), np.uint8)
        for picture, label in zip(pictures, labels, strict=True):
            picture[: 2 * (label + 3), :14] = 200  # as wide as half of it, and the higher the later its class
        (source / f"{file}-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16) + pictures.tobytes()))
        (source / f"{file}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(8) + labels.tobytes()))
    assert build("--root", str(tmp_path), "--fashion", str(source)) == 0
    made, kept = (
        {path.relative_to(root).parent for folder in CLOTHES for path in (root / folder.name).rglob("*.png")}
        for root in (tmp_path, DATASETS)
    )
    assert made == kept
    boxes = np.vstack([read_boxes(path) for path in (tmp_path / "fashion-detect" / "labels").rglob("*.txt")])
    assert boxes[:, 4] / boxes[:, 3] == pytest.approx((boxes[:, 0] + 3) / 7, rel=0.3)
    with pytest.raises(SystemExit):
        build("--fashion", str(tmp_path / "nowhere"))
    assert "--fashion: must be a folder, got" in capsys.readouterr().err


def test_the_clothes_are_those_that_were_drawn():
    drawn = hashlib.sha256()
    for folder in CLOTHES:
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".png", ".txt", ".csv"):
                drawn.update(path.relative_to(DATASETS).as_posix().encode())
                drawn.update(pixels(path) if path.suffix == ".png" else path.read_bytes())
    assert drawn.hexdigest() == "73e7d298f97a1acb68d986981fa7d248ab428ac867abee4606eb4cb609efe8d1"


def test_detection_train_and_val_share_no_digit_and_use_none_twice():
    train, val = ([row["digit"] for row in read_sources(split)] for split in ("train", "val"))
    assert len(set(train + val)) == len(train) + len(val) > 0


@pytest.mark.parametrize("split", ["train", "val"])
def test_clothes_are_used_once_and_stand_in_the_order_of_their_labels(split):
    rows = read_sources(split, CLOTHES[0])
    assert len({row["item"] for row in rows}) == len(rows) > 0
    for path in sorted((CLOTHES[0] / "labels" / split).glob("*.txt")):
        assert [int(row["label"]) for row in rows if row["image"] == path.stem] == read_boxes(path)[:, 0].tolist()


@pytest.mark.parametrize("split", ["train", "val"])
def test_detection_sources_tell_the_digit_behind_every_label(split):
    digits = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed").load_digits()
    rows = read_sources(split)
    assert [int(row["label"]) for row in rows] == [digits.target[int(row["digit"])] for row in rows]
    for path in sorted((DETECT / "labels" / split).glob("*.txt")):
        labels = [int(row["label"]) for row in rows if row["image"] == path.stem]
        assert labels == read_boxes(path)[:, 0].tolist()


@pytest.mark.parametrize("folder", [DETECT, CLOTHES[0]], **ids)
@pytest.mark.parametrize("split", ["train", "val"])
def test_detection_boxes_are_valid_and_every_class_occurs(folder, split):
    labels = sorted((folder / "labels" / split).glob("*.txt"))
    images = sorted((folder / "images" / split).glob("*.png"))
    assert [path.stem for path in labels] == [path.stem for path in images]
    boxes = np.vstack([read_boxes(path) for path in labels])
    low, high = boxes[:, 1:3] - boxes[:, 3:] / 2, boxes[:, 1:3] + boxes[:, 3:] / 2
    assert set(boxes[:, 0]) == set(range(10))
    assert (boxes[:, 3:] > 0).all()
    assert low.min() >= -1e-6
    assert high.max() <= 1 + 1e-6


@pytest.mark.parametrize("folder", [DETECT, CLOTHES[0]], **ids)
@pytest.mark.parametrize("split", ["train", "val"])
def test_nothing_covers_another(folder, split):
    for path in (folder / "labels" / split).glob("*.txt"):
        boxes = read_boxes(path)[:, 1:]
        low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
        overlap = np.clip(np.minimum(high[:, None], high) - np.maximum(low[:, None], low), 0, None).prod(axis=-1)
        assert np.count_nonzero(overlap > 1e-6) == len(boxes)


@pytest.mark.parametrize("folder", [CLASSIFY, CLOTHES[1]], **ids)
def test_classification_train_and_val_share_no_picture(folder):
    train, val = (sorted((folder / split).glob("*/*.png")) for split in ("train", "val"))
    shared = {path.stem for path in train} & {path.stem for path in val}
    assert not shared or folder in CLOTHES  # of which the source numbers training and test pictures apart
    assert len({pixels(path) for path in train + val}) == len(train) + len(val) > 0


@pytest.mark.parametrize("folder", [CLASSIFY, CLOTHES[1]], **ids)
@pytest.mark.parametrize("split", ["train", "val"])
def test_classification_classes_are_of_equal_size(folder, split):
    sizes = {of_class.name: len(list(of_class.glob("*.png"))) for of_class in (folder / split).iterdir()}
    assert set(sizes) == set(yaml.safe_load((OF_CLASSES[folder] / "data.yaml").read_text())["names"])
    assert len(set(sizes.values())) == 1


def test_data_yaml_is_portable():
    data = yaml.safe_load((DETECT / "data.yaml").read_text())
    assert "path" not in data
    assert data["names"] == list("0123456789")
    assert all((DETECT / data[split]).is_dir() for split in ("train", "val"))


@pytest.mark.parametrize("folder", [DETECT, CLASSIFY, *CLOTHES], **ids)
def test_default_study_has_a_control_enough_seeds_and_arguments_that_ultralytics_knows(folder):
    from ultralytics.cfg import get_cfg

    study = yaml.safe_load((folder / "study.yaml").read_text())
    assert set(study) - {"score", "max_seeds"} == {"model", "data", "rates", "seeds", "train"}
    assert (folder / study["data"]).exists()
    assert 0.0 in study["rates"]
    assert len(study["seeds"]) == (7 if folder == DETECT else 5)
    get_cfg(overrides=study["train"])


def test_starter_of_every_default_study_is_in_the_tree():
    models = [folder / yaml.safe_load((folder / "study.yaml").read_text())["model"] for folder in (DETECT, CLASSIFY)]
    assert sorted(path.resolve() for path in models) == STARTERS


PREDICTED = """
import sys
import numpy
from ultralytics import YOLO
for path in sys.argv[2:]:
    model = YOLO(path)
    model.predict(numpy.zeros((128, 128, 3), numpy.uint8), imgsz=128)
    assert "".join(model.names.values()) == sys.argv[1], model.names
assert "yolo_dropout" not in sys.modules
"""


def test_starters_load_and_predict_in_plain_ultralytics(tmp_path):
    words = [sys.executable, "-c", PREDICTED, LETTERS, *map(str, STARTERS)]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)


@pytest.mark.parametrize("path", STARTERS, ids=lambda path: path.name)
def test_starter_holds_no_path_no_date_and_no_optimizer(path):
    import torch

    checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    model = checkpoint["model"]
    # A classifier carries no `args` of its own.
    told = [checkpoint["train_args"], getattr(model, "args", {}), model.yaml]
    words = [str(value) for arguments in told for value in arguments.values()]
    assert not [word for word in words if word.startswith(("/", "~")) or ":\\" in word]
    assert not {"date", "git", "optimizer", "train_results"} & checkpoint.keys()
    assert {parameter.dtype for parameter in checkpoint["model"].parameters()} == {torch.float16}


def test_datasets_stay_small_and_are_no_package():
    files = [path for path in DATASETS.rglob("*") if path.is_file() and path.suffix != ".cache"]
    sizes = {path: path.stat().st_size for path in files}
    clothes = sum(size for path, size in sizes.items() if {*path.parents} & {*CLOTHES})
    assert sum(sizes.values()) - clothes < 10_000_000
    assert clothes < 1_000_000
    assert not list(DATASETS.rglob("__init__.py"))

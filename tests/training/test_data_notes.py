"""What is lost of a data set, or stands in it twice, is said in one line each before any training."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from permissions import bound_by_permissions
from report_samples import make_report
from tiny_data import make_data

from yolo_dropout.cli import main
from yolo_dropout.errors import InputError
from yolo_dropout.report.cautions import warnings_of
from yolo_dropout.training import prepare
from yolo_dropout.training.data_notes import passed_over
from yolo_dropout.training.models import load_model

MODELS = {"detect": "", "segment": "-seg", "pose": "-pose", "obb": "-obb", "semantic": "-sem", "depth": "-depth"}
ARGS: dict[str, Any] = {"epochs": 1, "imgsz": 32, "batch": 1}
ALL_SHARED = "validation images are training images too, so validation losses say nothing about new images"


def model_of(task: str) -> str:
    return f"yolo26n{MODELS.get(task, '-cls')}.yaml"


@cache
def loaded(task: str) -> Any:
    return load_model(model_of(task))


def notes(data: Path, task: str = "detect", **args: Any) -> list[str]:
    return list(prepare(loaded(task), str(data), ARGS | args, [0.0]).notes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_data("detect", tmp_path / "data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_data("classify", tmp_path / "data")


def zero(*files: Path) -> None:
    for file in files:
        assert file.is_file()
        file.write_bytes(bytes(file.stat().st_size))


def no_image(file: str) -> tuple[str, str]:
    """Ultralytics' reason, with pi-heif and without."""
    return f"cannot identify image file '{file}'", "no image, or one that only pi-heif reads"


def images_of(data: Path, split: str, *numbers: int) -> list[Path]:
    return [data.parent / "images" / split / f"{number}.png" for number in numbers]


@pytest.mark.parametrize("task", [*MODELS, "classify"])
def test_sound_data_of_any_task_need_no_note(task: str, tmp_path: Path) -> None:
    assert notes(make_data(task, tmp_path), task) == []


@pytest.mark.parametrize("task", MODELS)
def test_images_that_cannot_be_read_are_counted_with_the_first_and_the_reason(task: str, tmp_path: Path) -> None:
    data = make_data(task, tmp_path)
    zero(*images_of(data, "train", 0, 1, 2), *images_of(data, "val", 1))
    label = {"semantic": "mask", "depth": "depth"}.get(task, "label")
    of_train, *_, of_val = notes(data, task)
    start = "train: 3 of 4 images cannot be used and are left out, first images/train/0.png "
    assert of_train in {f"{start}(corrupt image/{label}: {reason})" for reason in no_image("images/train/0.png")}
    assert of_val.startswith("val: 1 of 2 images cannot be used and are left out, first images/val/1.png (")


def test_a_label_that_is_wrong_is_told_as_such(data: Path) -> None:
    (data.parent / "labels/train/2.txt").write_text("9 0.5 0.5 0.1 0.1\n")
    assert notes(data) == [
        "train: 1 of 4 images cannot be used and are left out, first images/train/2.png (corrupt image/label: Label "
        "class 9 exceeds dataset class count 2. Possible class labels are 0-1)"
    ]


@pytest.mark.parametrize(("task", "label"), [("semantic", "masks/train/1.png"), ("depth", "depth/train/1.npy")])
def test_an_image_without_a_mask_or_a_depth_map_is_told(task: str, label: str, tmp_path: Path) -> None:
    data = make_data(task, tmp_path)
    (tmp_path / label).unlink()
    (note,) = notes(data, task)
    assert note.startswith("train: 1 of 4 images cannot be used and are left out, first images/train/1.png (image with")
    assert str(tmp_path) not in note


def test_what_is_lost_is_told_once_where_training_images_validate(data: Path) -> None:
    zero(*images_of(data, "train", 0))
    assert len(notes(data, split="train")) == 1


def test_an_image_without_a_label_is_sound(data: Path) -> None:
    (data.parent / "labels/train/1.txt").unlink()
    assert notes(data) == []


@pytest.mark.parametrize("task", ["detect", "classify"])
def test_the_notes_are_the_same_with_the_cache_of_a_run_before(task: str, tmp_path: Path) -> None:
    data = make_data(task, tmp_path / "data")
    zero(*(tmp_path / "data").rglob("train/**/0.png"))
    first = notes(data, task)
    assert (len(first), len(list((tmp_path / "data").rglob("*.cache")))) == (1, 2)
    assert notes(data, task) == first


def test_the_notes_are_there_where_ultralytics_is_told_to_be_quiet(data: Path) -> None:
    from ultralytics.utils import LOGGER

    zero(*images_of(data, "train", 0))
    level = LOGGER.level
    LOGGER.setLevel("ERROR")
    try:
        assert len(notes(data)) == 1
    finally:
        LOGGER.setLevel(level)


def test_splits_that_share_a_cache_have_notes_of_their_own(data: Path) -> None:
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            for file in (data.parent / kind / split).iterdir():
                file.rename(data.parent / kind / f"{split}{file.name}")
        names = (file.name for file in (data.parent / "images").glob(f"{split}*.png"))
        (data.parent / f"{split}.txt").write_text("".join(f"./images/{name}\n" for name in sorted(names)))
    data.write_text(data.read_text().replace("images/train", "train.txt").replace("images/val", "val.txt"))
    zero(data.parent / "images/train0.png", data.parent / "images/val1.png")
    assert [note.split(" (")[0] for note in notes(data)] == [
        "train: 1 of 4 images cannot be used and are left out, first images/train0.png",
        "val: 1 of 2 images cannot be used and are left out, first images/val1.png",
    ]


def test_only_the_part_that_is_trained_on_is_counted(folder: Path) -> None:
    zero(folder / "train/green/1.png", folder / "train/red/0.png")  # the first and the last of four are taken
    assert notes(folder, "classify", fraction=0.5)[0].startswith("train: 1 of 2 images ")


@pytest.mark.parametrize("task", ["detect", "segment", "pose", "obb"])
def test_a_class_that_has_lost_all_its_images_is_named(task: str, tmp_path: Path) -> None:
    data = make_data(task, tmp_path)
    zero(*images_of(data, "train", 1, 3))
    assert "train: no image is left of class green" in notes(data, task)
    assert "train: no image is left of class green" not in notes(data, task, classes=[0])


def test_a_class_that_has_lost_all_its_labels_is_named(data: Path) -> None:
    for number in (0, 2):
        (data.parent / f"labels/train/{number}.txt").write_text("0 0.5 0.5 3 4\n")
    assert notes(data)[1:] == ["train: no image is left of class red"]


def test_a_class_that_never_had_an_image_is_not_lost(data: Path) -> None:
    data.write_text(data.read_text() + "  2: blue\n")
    zero(*images_of(data, "train", 1))
    assert len(notes(data)) == 1


def test_a_class_folder_that_has_lost_all_its_images_is_named(folder: Path) -> None:
    zero(folder / "train/red/0.png", folder / "train/red/2.png")
    count, lost = notes(folder, "classify")
    assert count.startswith("train: 2 of 4 images cannot be used and are left out, first train/red/0.png (")
    assert lost == "train: no image is left of class red"


def test_a_class_folder_that_leads_nowhere_is_told_with_the_images_that_are_lost_by_it(folder: Path) -> None:
    shutil.rmtree(folder / "train/red")
    (folder / "train/red").symlink_to("nowhere")
    assert notes(folder, "classify") == [
        "train: 1 folder or link cannot be read, first train/red (No such file or directory)",
        "val: images of classes that train lacks are left out: 'red' (1 in all)",
    ]


def test_image_folders_and_links_that_lead_nowhere_are_told(data: Path) -> None:
    (data.parent / "images/train/more").symlink_to("more")
    (data.parent / "images/val/more").symlink_to("nowhere")
    (data.parent / "images/val/9.png").symlink_to("nowhere")
    assert notes(data) == [
        "train: 1 folder or link cannot be read, first images/train/more (Too many levels of symbolic links)",
        "val: 1 folder or link cannot be read, first images/val/more (No such file or directory)",
        "val: 1 of 3 images cannot be used and are left out, first images/val/9.png (corrupt image/label: [Errno 2] "
        "No such file or directory: 'images/val/9.png')",
    ]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
def test_a_class_folder_that_may_not_be_read_is_told() -> None:
    with tempfile.TemporaryDirectory() as root:  # pytest's own folders are closed to others
        Path(root).chmod(0o755)
        locked = Path(root) / "train" / "red"
        locked.mkdir(parents=True)
        locked.chmod(0)
        with bound_by_permissions():
            told = list(passed_over("train", Path(root) / "train", Path(root)))
        locked.chmod(0o755)
    assert told == ["train: 1 folder or link cannot be read, first train/red (Permission denied)"]


@pytest.mark.parametrize("target", [".", "..", "../../.."])
def test_a_link_that_leads_back_is_refused_as_its_images_would_count_many_times(target: str, folder: Path) -> None:
    (folder / "train/red/again").symlink_to(target)
    with pytest.raises(InputError, match=r"^data: .*train/red.* is a link to a folder that it is in, .*; remove it$"):
        notes(folder, "classify")


def test_links_that_lead_back_to_each_other_are_refused(data: Path) -> None:
    for here, there in (("a", "b"), ("b", "a")):
        (data.parent / "images/train" / here).mkdir()
        (data.parent / "images/train" / here / "link").symlink_to(f"../{there}")
    with pytest.raises(InputError, match="is a link to a folder that it is in"):
        notes(data)


@pytest.mark.parametrize("name", ["images/train/x.png", "images/train/x", "labels/train/0.txt"])
def test_a_pipe_is_refused_and_not_waited_for(data: Path, name: str) -> None:
    pipe = data.parent / name
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    with pytest.raises(InputError, match=rf"^data: .*{name} (is a pipe|must be a file)"):
        notes(data)


class Touches:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize(("task", "name"), [("detect", "labels/train.cache"), ("classify", "train.cache")])
def test_a_label_cache_of_a_stranger_is_not_read_but_written_anew(task: str, name: str, tmp_path: Path) -> None:
    data, cache = make_data(task, tmp_path / "data"), tmp_path / "data" / name
    np.save(tmp_path / "made.npy", np.array(Touches(tmp_path / "mark"), dtype=object), allow_pickle=True)
    shutil.copyfile(tmp_path / "made.npy", cache)
    notes(data, task)
    assert not (tmp_path / "mark").exists()
    assert np.load(cache, allow_pickle=True).item()["results"]


def test_a_dry_run_runs_no_script_that_downloads(data: Path, tmp_path: Path, capfd: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("YOLO_OFFLINE", raising=False)
    mark = tmp_path / "mark"
    data.write_text(data.read_text().replace("images/", "nowhere/") + f"download: open({str(mark)!r}, 'w')\n")
    assert sweep(data, "detect", tmp_path / "out") == 2
    told = f"data: the images of {data} are not here and cannot be downloaded: open("
    assert told in (line := capfd.readouterr().err)
    assert line.endswith("(nothing is downloaded in a dry run, or with YOLO_OFFLINE)\n")
    assert not mark.exists()


def test_a_link_to_another_folder_is_no_loop(data: Path, tmp_path: Path) -> None:
    (data.parent / "images/train").rename(tmp_path / "images")
    (data.parent / "images/train").mkdir()
    (data.parent / "images/train/all").symlink_to(tmp_path / "images")
    (data.parent / "labels/train/all").symlink_to(".")
    assert notes(data) == []


def test_an_image_folder_that_leads_nowhere_is_refused_with_its_place(data: Path) -> None:
    shutil.rmtree(data.parent / "images/train")
    (data.parent / "images/train").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"images/nowhere does not exist$"):
        notes(data)


def test_validating_on_the_training_images_is_told_unless_it_was_asked_for(data: Path) -> None:
    assert notes(data, split="train") == []
    data.write_text(data.read_text().replace("images/val", "images/train"))
    assert notes(data) == [f"4 of 4 {ALL_SHARED}"]
    zero(*images_of(data, "train", 0))
    assert f"3 of 3 {ALL_SHARED}" in notes(data)


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_some_images_in_both_splits_are_told_by_whatever_link(link: Any, folder: Path) -> None:
    link(folder / "val/red/9.png", folder / "train/red/0.png")
    assert notes(folder, "classify") == [
        "1 of 3 validation images are training images too, so validation losses say less about new images"
    ]


def sweep(data: Path, task: str, out: Path, *words: str) -> int:
    given = [f"model={model_of(task)}", f"data={data}", "imgsz=32", "batch=2", "epochs=1"]
    return main(["sweep", *given, "--dry-run", "--out", str(out), *words])


def test_a_dry_run_tells_on_the_terminal_and_so_does_the_next(folder: Path, tmp_path: Path, capfd: Any) -> None:
    zero(*(folder / "train/red").iterdir())
    for _ in range(2):
        assert sweep(folder, "classify", tmp_path / "out") == 0
        lines = capfd.readouterr().out.splitlines()
        assert lines.count("train: no image is left of class red") == 1
        assert (
            sum(line.startswith("train: 2 of 4 images cannot be used and are left out, first ") for line in lines) == 1
        )


def test_folds_tell_what_is_left_out_and_not_what_their_splits_shared(data: Path, tmp_path: Path, capfd: Any) -> None:
    data.write_text(data.read_text().replace("images/val", "images/train"))
    zero(*images_of(data, "train", 0))
    (data.parent / "images/val/0.png").rename(data.parent / "images/train/4.png")
    assert sweep(data, "detect", tmp_path / "out", "--folds", "2") == 0
    out = capfd.readouterr().out
    assert out.count("train: 1 of 5 images cannot be used and are left out, first images/train/0.png") == 1
    assert "training images too" not in out


def test_the_notes_are_warnings_of_the_report(data: Path) -> None:
    zero(*images_of(data, "train", 0))
    told = notes(data)
    assert told
    assert set(told) <= set(warnings_of(make_report(prepared={"notes": told})))

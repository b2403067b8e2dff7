"""`yolo-dropout predict`: tables that agree, pictures, the most doubtful first, and memory that does not grow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from ultralytics.engine.results import Results

from yolo_dropout.cli import main
from yolo_dropout.inference.output import SHOWN, picture, write

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "datasets" / "digits-detect" / "images" / "val"
WORDS = ["predict", f"model={ROOT / 'datasets' / 'starter.pt'}", "imgsz=128", "verbose=False"]


def test_predict_writes_tables_and_pictures_and_names_the_most_doubtful(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([*WORDS, f"source={IMAGES}", f"save_dir={tmp_path}", "dropout=0.2", "--samples", "5"]) == 0
    table = pd.read_csv(tmp_path / "uncertainty.csv")
    assert list(table) == ["image", "box", "class", "conf", "conf_sd", "box_sd_px", "mutual_info"]
    pd.testing.assert_frame_equal(pd.DataFrame(json.loads((tmp_path / "uncertainty.json").read_text())), table)
    names = {path.stem for path in IMAGES.iterdir()}
    assert {path.stem for path in tmp_path.glob("*.jpg")} == {path.stem for path in (tmp_path / "spread").iterdir()}
    doubtful = pd.read_csv(tmp_path / "doubtful.csv")
    assert {Path(name).stem for name in doubtful.image} == names
    highest = table.groupby("image").mutual_info.max().sort_values(ascending=False)
    assert list(doubtful.image[: len(highest)]) == list(highest.index)
    assert doubtful.image[0] in capsys.readouterr().out
    sheet = cv2.imread(str(tmp_path / "doubtful.png"))
    assert sheet.shape[0] > 900
    assert sheet.shape[1] > 1200


def test_a_video_has_a_row_for_each_box_of_each_frame(tmp_path: Path):
    writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5, (128, 128))
    for path in sorted(IMAGES.iterdir())[:3]:
        writer.write(cv2.imread(str(path)))
    writer.release()
    assert main([*WORDS, f"source={tmp_path / 'clip.avi'}", f"save_dir={tmp_path / 'out'}"]) == 0
    assert (tmp_path / "out" / "clip.avi").exists()
    images = pd.read_csv(tmp_path / "out" / "uncertainty.csv").image.unique()
    assert list(images) == ["clip.avi #1", "clip.avi #2", "clip.avi #3"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([f"source={ROOT / 'datasets' / 'digits-detect' / 'labels'}"], "source: No images or videos found in"),
        ([f"source={ROOT / 'README.md'}"], "source: No images or videos found in"),
        (["source=a.jpg", "save=False"], "save: the command writes"),
        (["source=no-such-folder"], "no-such-folder does not exist"),
        ([], "source: is missing; add source=images/"),
        (["source=a.jpg", "--samples", "many"], "samples: must be a whole number of at least 2, got 'many'"),
        (["source=a.jpg", "dropout=0"], "dropout: must be above 0"),
        (["source=a.jpg", "dorpout=0.1"], "predict: 'dorpout' is not a valid"),
        (["source=a.jpg", "conf=7"], "predict: 'conf=7' is an invalid value"),
        (["source=a.jpg", "max_det=many"], "predict: 'max_det=many' is of invalid type"),
    ],
)
def test_bad_words_are_told_in_one_line(words: list[str], told: str, capsys: pytest.CaptureFixture[str]):
    assert main([*WORDS, *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_picture_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.jpg").write_text("no picture")
    assert main([*WORDS, f"source={tmp_path}", f"save_dir={tmp_path / 'out'}"]) == 2
    assert "source: no image of" in capsys.readouterr().err


def made_up(kind: str, n: int) -> Results:
    """Boxes of two kinds on a grey image, with a wide spread."""
    box = torch.tensor([[40.0, 30, 90, 70, 0.9, 0], [10, 10, 30, 30, 0.4, 1]])[:n]
    rotated = torch.cat([box[:, :4], torch.full((n, 1), 0.4), box[:, 4:]], 1)
    held: dict[str, Any] = {"obb": {"obb": rotated}, "detect": {"boxes": box}, "classify": {"probs": torch.eye(2)[0]}}
    result = Results(np.full((100, 120, 3), 120, np.uint8), f"{kind}.jpg", {0: "car", 1: "bus"}, **held[kind])
    columns = ("conf", "conf_sd", "box_sd_px", "mutual_info")
    result.uncertainty = pd.DataFrame({name: [0.5, 2.0][:n] for name in columns}, dtype=float)
    return result


@pytest.mark.parametrize(("kind", "n"), [("obb", 2), ("detect", 2), ("detect", 0), ("classify", 1)])
def test_every_task_has_a_picture(kind: str, n: int):
    drawn = picture(made_up(kind, n))
    assert drawn.shape == (533, 640, 3)
    assert (drawn != 120).any() == (n > 0)


def test_a_long_stream_leaves_no_picture_but_those_of_the_most_doubtful(tmp_path: Path):
    alive: list[Any] = []

    def stream():
        import gc
        import weakref

        for i in range(60):
            result = made_up("detect", 2)
            result.save_dir, result.path = str(tmp_path), "camera"
            result.uncertainty.mutual_info = [0.0, i / 100]
            alive.append(weakref.ref(result))
            yield result
            del result
            if i % 20 == 19:  # to look for garbage takes a good part of a second
                gc.collect()
                assert sum(ref() is not None for ref in alive) <= 2

    done = write(stream())
    assert (done.images, done.boxes) == (60, 120)
    assert [round(doubt * 100) for _, doubt in done.doubtful[:SHOWN]] == list(range(59, 47, -1))
    assert done.doubtful[0][0] == "camera #60"


def test_files_of_one_stem_keep_a_picture_each_and_frames_of_several_streams_their_numbers(tmp_path: Path):
    paths = [
        "a/x.png",
        "b/x.png",
        "b/x.jpg",
        "rtsp one",
        "rtsp two",
        "rtsp one",
        "rtsp two",
        "a/clip.mp4",
        "b/clip.mp4",
    ]
    results = []
    for path in paths:
        results.append(made_up("detect", 1))
        results[-1].save_dir, results[-1].path = str(tmp_path), path
    write(results)
    names = ["x.png", "x.png (2)", "x.jpg (3)", "rtsp one", "rtsp two", "rtsp one #2", "rtsp two #2"]
    names += ["clip.mp4 #1", "clip.mp4 (2) #1"]
    assert list(pd.read_csv(tmp_path / "uncertainty.csv").image) == names
    assert list(pd.read_csv(tmp_path / "doubtful.csv").path) == paths
    pictures = {"x", "x (2)", "x (3)", "rtsp one", "rtsp two"}
    assert {path.stem for path in (tmp_path / "spread").iterdir()} == pictures


def test_a_name_with_a_comma_stays_one_field(tmp_path: Path):
    result = made_up("detect", 2)
    result.save_dir, result.path = str(tmp_path), "a, b.jpg"
    write([result])
    assert list(pd.read_csv(tmp_path / "doubtful.csv").image) == ["a, b.jpg"]

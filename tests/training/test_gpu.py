"""On a GPU: the control is stock's, runs of a seed see the same images, and runs share it as far as was measured."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import pytest
import torch
import yaml
from tiny_data import make_data
from ultralytics import YOLO
from ultralytics.models.yolo.classify import ClassificationTrainer
from ultralytics.utils.callbacks import default_callbacks
from waiting import wait_until

from yolo_dropout.executors import Backend, Ended, Job, OnEpoch, Outcome, Started
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.local.slots import Slots, gpus_of
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import run_study
from yolo_dropout.training import train_lean

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.train,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
]

# With `nbs` every batch is a step of the optimizer.
TINY: dict[str, Any] = {"epochs": 3, "imgsz": 64, "batch": 2, "nbs": 2, "workers": 2, "plots": False, "device": 0}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open() as stream:
        return [{k: v for k, v in row.items() if k != "time"} for row in csv.DictReader(stream)]


@pytest.fixture
def amp(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each training that has ended was in mixed precision."""
    seen: list[bool] = []
    note: Callable[[Any], None] = lambda trainer: seen.append(bool(trainer.amp))  # noqa: E731
    monkeypatch.setitem(default_callbacks, "on_train_end", [*default_callbacks["on_train_end"], note])
    return seen


@pytest.mark.parametrize(("model", "task"), [("yolo26n.yaml", "detect"), ("yolo26n-cls.yaml", "classify")])
def test_in_mixed_precision_the_control_is_stock_s_to_the_last_digit(
    model: str, task: str, tmp_path: Path, amp: list[bool]
) -> None:
    data = str(make_data(task, tmp_path / "data"))
    for name in ("stock", "again"):
        YOLO(model).train(data=data, save_dir=str(tmp_path / name), seed=3, **TINY)
    train_lean(model, dropout=0.0, data=data, save_dir=str(tmp_path / "ours"), seed=3, **TINY)
    assert amp == [True] * 3
    assert rows(tmp_path / "again") == rows(tmp_path / "stock"), "stock does not repeat itself on this GPU"
    assert rows(tmp_path / "ours") == rows(tmp_path / "stock")


def test_the_runs_of_a_seed_train_on_the_same_images_and_their_masks_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, seen = str(make_data("classify", tmp_path / "data")), list[torch.Tensor]()
    stock = ClassificationTrainer.preprocess_batch

    def keep(trainer: Any, batch: dict[str, Any]) -> Any:
        seen.append(batch["img"].cpu().clone())
        return stock(trainer, batch)

    monkeypatch.setattr(ClassificationTrainer, "preprocess_batch", keep)
    images = []
    for name, rate in {"control": 0.0, "low": 0.1, "high": 0.5, "high again": 0.5}.items():
        seen.clear()
        train_lean("yolo26n-cls.yaml", dropout=rate, data=data, save_dir=str(tmp_path / name), seed=3, **TINY)
        images.append(torch.stack(seen))
    assert not torch.equal(images[0][0], images[0][2]), "augmentation is off, so that this test could not fail"
    assert all(torch.equal(images[0], others) for others in images[1:])
    assert rows(tmp_path / "high again") == rows(tmp_path / "high") != rows(tmp_path / "low")


def test_after_a_first_run_the_gpu_is_shared_by_what_was_measured(tmp_path: Path) -> None:
    data = str(make_data("detect", tmp_path / "data"))
    train = {name: value for name, value in TINY.items() if name != "device"}
    spec = StudySpec("yolo26n.yaml", data, rates=(0, 0.1), seeds=2, train={**train, "epochs": 12})
    executor = LocalExecutor()
    study = run_study(spec, tmp_path / "study", executor=executor, publish=lambda _: None)
    assert not study.missing
    assert not study.failed
    assert executor.slots is not None
    load = executor.slots.load
    assert load is not None
    assert 0.6e9 < load.memory_bytes < 20e9
    assert 0 <= load.utilisation <= 1
    assert (executor.slots.now > 1) is (load.utilisation <= 0.5 and (os.cpu_count() or 1) >= 4)
    devices = [yaml.safe_load(run.arguments.read_text())["device"] for run in study.folder.run_folders]
    assert [str(device) for device in devices] == ["0"] * 4


def hungry(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Take six tenths of the GPU, and keep them until another run could not have as much."""
    device, crowded = torch.device("cuda", job.spec.train["device"]), job.path.parent / "crowded"
    try:
        held = torch.empty(
            int(0.6 * torch.cuda.get_device_properties(device).total_memory), dtype=torch.uint8, device=device
        )
    except torch.cuda.OutOfMemoryError:
        crowded.touch()
        raise
    wait_until(crowded.exists)
    del held
    return fakes.train(job, on_epoch)


def test_a_run_that_the_gpu_had_no_memory_for_is_trained_once_more_alone(tmp_path: Path) -> None:
    executor = LocalExecutor(slots=Slots(gpus=gpus_of(fakes.SPEC), cores=64, per_gpu=2))
    torch.cuda.empty_cache()
    events = list(executor.run(fakes.jobs(tmp_path)[:2], Backend(fakes.inspect, hungry)))
    assert [event.record.error for event in events if isinstance(event, Ended)] == [None, None]
    assert sum(isinstance(event, Started) for event in events) == 3
    assert executor.slots is not None
    assert executor.slots.per_gpu == 1


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_workers_train_on_two_gpus(tmp_path: Path) -> None:
    data = str(make_data("detect", tmp_path / "data"))
    train = {name: value for name, value in TINY.items() if name != "device"}
    study = run_study(
        StudySpec("yolo26n.yaml", data, rates=(0, 0.1), seeds=1, train=train),
        tmp_path / "study",
        publish=lambda _: None,
    )
    devices = [yaml.safe_load(run.arguments.read_text())["device"] for run in study.folder.run_folders]
    assert sorted(map(str, devices)) == ["0", "1"]

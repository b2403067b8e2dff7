"""Checkpoints are stock at any time, whole at any time, and the same in a lean training."""

from __future__ import annotations

import multiprocessing
import signal
import time
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_data import CLS, NET, make_data
from ultralytics import YOLO
from ultralytics.nn.tasks import load_checkpoint, torch_safe_load
from ultralytics.utils.callbacks.base import default_callbacks

from yolo_dropout.executors.local.processes import start
from yolo_dropout.sites import Dropout, strip_dropout
from yolo_dropout.training import train_lean, train_with_dropout
from yolo_dropout.training.checkpoints import AtomicPath
from yolo_dropout.training.trainer import trainer_class

MODEL = str(CLS)
IMAGE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
# With `nbs` every batch is a step of the optimizer; without it there is none, and all checkpoints are equal.
TINY: dict[str, Any] = {"epochs": 2, "imgsz": 32, "batch": 2, "nbs": 2, "plots": False, "save_period": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_data("classify", tmp_path_factory.mktemp("classify")))


@pytest.fixture(scope="module")
def detect_data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_data("detect", tmp_path_factory.mktemp("detect")))


def weights(file: Path) -> dict[str, torch.Tensor]:
    return dict(load_checkpoint(file)[0].state_dict())


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.train
@pytest.mark.parametrize("train", [train_with_dropout, train_lean])
def test_every_checkpoint_is_stock_and_loads_safely(train: Any, data: str, tmp_path: Path) -> None:
    run = train(MODEL, dropout=0.3, where="backbone", kind="dropblock", data=data, save_dir=str(tmp_path), **TINY)
    files = sorted(file.name for file in run.last.parent.iterdir())
    assert files == ["best.pt", "epoch0.pt", "epoch1.pt", "last.pt"]
    stock = YOLO(MODEL).model
    for name in files:
        content, _ = torch_safe_load(run.last.parent / name, safe_only=True)
        net = content.get("ema") or content["model"]
        assert {n: type(m) for n, m in net.named_modules()} == {n: type(m) for n, m in stock.named_modules()}
        assert net.state_dict().keys() == stock.state_dict().keys()


@pytest.mark.train
def test_a_lean_training_leaves_the_weights_that_stock_leaves(data: str, tmp_path: Path) -> None:
    args = {**TINY, "epochs": 3, "data": data}  # from the third on, a lean training reuses what held an epoch's state
    YOLO(MODEL).train(save_dir=str(tmp_path / "stock"), **args)
    lean = train_lean(MODEL, save_dir=str(tmp_path / "lean"), **args)
    for name in ("best.pt", "last.pt", "epoch1.pt"):
        assert same(weights(lean.last.parent / name), weights(tmp_path / "stock" / "weights" / name))
    ours, stock = (load_checkpoint(p)[1] for p in (lean.best, tmp_path / "stock" / "weights" / "best.pt"))
    assert ours.keys() == stock.keys()
    assert ours["train_metrics"] == stock["train_metrics"]
    assert ours["train_results"].keys() == stock["train_results"].keys()
    assert ours["epoch"] == stock["epoch"] == -1
    assert ours["optimizer"] is None


@pytest.mark.train
def test_a_depth_model_is_calibrated_in_a_lean_training_too(tmp_path: Path) -> None:
    args = {**TINY, "data": str(make_data("depth", tmp_path / "data")), "epochs": 1}
    net = tmp_path / "net.yaml"
    net.write_text(NET.read_text().replace("Detect, [nc]", "Depth, [16]"))
    YOLO(net).train(save_dir=str(tmp_path / "stock"), **args)
    yolo = YOLO(net)
    lean = train_lean(yolo, save_dir=str(tmp_path / "lean"), **args)
    for name in ("best.pt", "last.pt"):
        ours, stock = (load_checkpoint(place / "weights" / name)[1] for place in (lean.save_dir, tmp_path / "stock"))
        assert ours["depth_calibration"] == stock["depth_calibration"]
        assert same(weights(lean.last.parent / name), weights(tmp_path / "stock" / "weights" / name))
    assert same(dict(yolo.model.state_dict()), weights(lean.best))


def events(train: Any, **args: Any) -> list[str]:
    """What callbacks are told in a training, in its order."""
    yolo, told = YOLO(MODEL), list[str]()
    for event in default_callbacks:
        yolo.add_callback(event, lambda _, event=event: told.append(event))
    train(yolo, **args)
    return told


@pytest.mark.train
def test_callbacks_are_told_what_stock_tells_but_for_the_final_evaluation(data: str, tmp_path: Path) -> None:
    args = {**TINY, "data": data}
    stock = events(YOLO.train, save_dir=str(tmp_path / "stock"), **args)
    assert events(train_with_dropout, save_dir=str(tmp_path / "ours"), **args) == stock
    left_out = ["on_val_start", "on_val_batch_start", "on_val_batch_end", "on_val_end", "on_fit_epoch_end"]
    assert stock[-len(left_out) - 2 : -2] == left_out
    lean = events(train_lean, dropout=0.3, where="backbone", save_dir=str(tmp_path / "lean"), **args)
    assert lean == [*stock[: -len(left_out) - 2], *stock[-2:]]


@pytest.mark.train
def test_a_lean_training_counts_no_operations(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    yolo, asked = YOLO(MODEL), list[Any]()
    monkeypatch.setattr("ultralytics.nn.tasks.model_info", lambda model, **_: asked.append(model))
    train_lean(yolo, data=data, save_dir=str(tmp_path), **{**TINY, "epochs": 1})
    assert not asked


@pytest.mark.train
@pytest.mark.parametrize(("best", "fitness_to_beat"), [("first", 10.0), ("last", None)])
def test_after_a_lean_training_the_object_is_what_its_best_file_holds(
    best: str, fitness_to_beat: float | None, data: str, tmp_path: Path
) -> None:
    yolo = YOLO(MODEL)
    yolo.add_callback("on_train_epoch_start", lambda t: t.epoch and setattr(t, "best_fitness", fitness_to_beat))
    run = train_lean(yolo, dropout=0.3, data=data, save_dir=str(tmp_path), **{**TINY, "epochs": 3})
    model, content = load_checkpoint(run.best)
    assert same(weights(run.best), weights(run.last)) is (best == "last")
    assert same(dict(yolo.model.state_dict()), dict(model.state_dict()))
    assert yolo.ckpt["train_results"] == content["train_results"]
    assert yolo.ckpt["train_args"] == content["train_args"]
    assert (yolo.model.training, yolo.model.task, yolo.overrides["model"]) == (False, "classify", str(run.best))
    assert torch.equal(yolo.predict(IMAGE, verbose=False)[0].probs.data, YOLO(run.best)(IMAGE)[0].probs.data)


@pytest.mark.train
def test_the_checkpoint_predicts_as_the_trained_model(detect_data: str, tmp_path: Path) -> None:
    yolo = YOLO("yolov8n.yaml")
    run = train_lean(yolo, dropout=0.3, data=detect_data, save_dir=str(tmp_path), epochs=1, imgsz=32, batch=2)
    trained = yolo.trainer.ema.ema
    strip_dropout(trained)
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = trained.half().float().eval()(images)[0]
        assert torch.equal(load_checkpoint(run.last)[0](images)[0], expected)


@pytest.mark.train
def test_stock_trains_on_from_the_checkpoint_and_keeps_every_weight(data: str, tmp_path: Path) -> None:
    run = train_lean(MODEL, dropout=0.3, data=data, save_dir=str(tmp_path / "ours"), **TINY)
    yolo, kept = YOLO(run.best), {}
    yolo.add_callback("on_train_start", lambda t: kept.update({k: v.clone() for k, v in t.model.state_dict().items()}))
    yolo.train(data=data, save_dir=str(tmp_path / "stock"), **{**TINY, "epochs": 1})
    assert same(kept, weights(run.best))


@pytest.mark.train
@pytest.mark.parametrize("suffix", ["torchscript", "onnx"])
def test_an_export_gives_the_output_of_the_checkpoint(suffix: str, detect_data: str, tmp_path: Path) -> None:
    if suffix == "onnx":
        pytest.importorskip("onnx", reason="needs onnx to export")
        pytest.importorskip("onnxruntime", reason="needs onnxruntime to run the export")
    run = train_lean(NET, dropout=0.3, data=detect_data, save_dir=str(tmp_path), epochs=1, imgsz=64, batch=2)
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = load_checkpoint(run.best)[0](images)[0].numpy()
    file = YOLO(run.best).export(format=suffix, imgsz=64, **({"simplify": False} if suffix == "onnx" else {}))
    assert np.allclose(_run_export(file, images), expected, atol=1e-3)


def _run_export(file: str, images: torch.Tensor) -> Any:
    if file.endswith("onnx"):
        import onnxruntime

        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        return session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]
    return torch.jit.load(file)(images).numpy()


@pytest.mark.train
def test_a_lean_training_out_of_memory_fails_where_stock_goes_on_with_half_the_batch(data: str, tmp_path: Path) -> None:
    yolo = YOLO(MODEL)

    class OutOfMemory(trainer_class(yolo, Dropout(), lean=True)):  # type: ignore[misc]
        def preprocess_batch(self, batch: Any) -> Any:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with pytest.raises(RuntimeError, match="out of memory in the first epoch with batch=2"):
        yolo.train(trainer=OutOfMemory, data=data, save_dir=str(tmp_path), **TINY)


@pytest.mark.train
def test_a_lean_training_writes_in_between_when_it_is_due(data: str, tmp_path: Path) -> None:
    seen: list[tuple[int, bool]] = []
    yolo = YOLO(MODEL)
    cls = trainer_class(yolo, Dropout(), lean=True)
    cls.write_every_s = 0.0  # type: ignore[attr-defined]
    yolo.add_callback("on_fit_epoch_end", lambda t: seen.append((load_checkpoint(t.last)[1]["epoch"], t.best.exists())))
    yolo.train(trainer=cls, data=data, save_dir=str(tmp_path), **{**TINY, "save_period": -1})
    assert seen == [(0, True), (1, True)]


@pytest.mark.train
def test_what_a_lean_training_keeps_by_class_is_of_the_best_file_that_lies_there(data: str, tmp_path: Path) -> None:
    seen: list[bool] = []
    yolo = YOLO(MODEL)
    yolo.add_callback("on_fit_epoch_end", lambda t: seen.append((t.save_dir / "classes.csv").exists()))
    train_lean(yolo, data=data, save_dir=str(tmp_path), **TINY)
    assert seen == [True, True]


@pytest.mark.train
def test_a_lean_training_writes_nothing_in_between_when_it_is_not_due(data: str, tmp_path: Path) -> None:
    seen: list[bool] = []
    yolo = YOLO(MODEL)
    yolo.add_callback("on_fit_epoch_end", lambda t: seen.append(t.last.exists() or t.best.exists()))
    train_lean(yolo, data=data, save_dir=str(tmp_path), **{**TINY, "save_period": -1})
    assert seen == [False, False]


@pytest.mark.train
@pytest.mark.parametrize("trouble", ["nan loss", "nan ema"])
def test_a_lean_training_recovers_from_nan_with_the_numbers_of_stock(trouble: str, data: str, tmp_path: Path) -> None:
    args = {**TINY, "epochs": 3, "data": data, "save_period": -1}
    stock = _troubled(YOLO(MODEL), trouble)
    stock.train(save_dir=str(tmp_path / "stock"), **args)
    lean = train_lean(_troubled(YOLO(MODEL), trouble), save_dir=str(tmp_path / "lean"), **args)
    ours, theirs = (_losses(tmp_path / name / "results.csv") for name in ("lean", "stock"))
    assert ours == theirs
    assert same(weights(lean.last), weights(tmp_path / "stock" / "weights" / "last.pt"))
    if trouble == "nan loss":
        plain = train_lean(MODEL, save_dir=str(tmp_path / "plain"), **args)
        assert _losses(plain.results_csv) != ours


def _troubled(yolo: Any, trouble: str) -> Any:
    done: list[int] = []

    def once(trainer: Any) -> None:
        if trainer.epoch == 1 and not done:
            done.append(1)
            if trouble == "nan loss":
                trainer.loss = torch.tensor(float("nan"))
            else:
                next(iter(trainer.ema.ema.parameters())).data[0] = float("nan")

    # A poisoned EMA would make the validation fail too; so poison it after, as its row is written.
    event = "on_train_epoch_end" if trouble == "nan loss" else "on_val_end"
    trainers: list[Any] = []
    yolo.add_callback("on_train_start", trainers.append)
    yolo.add_callback(event, lambda it: once(trainers[0]) if trainers else None)
    return yolo


def _losses(results_csv: Path) -> list[str]:
    return [line.split(",", 2)[2] for line in results_csv.read_text().splitlines()[1:]]


def write_without_end(file: AtomicPath, written: Connection) -> None:
    for n in count():
        file.write_bytes(bytes([n % 256]) * 4_000_000)
        if n == 0:
            written.send(n)


def test_a_kill_never_leaves_half_a_file(tmp_path: Path) -> None:
    file = AtomicPath(tmp_path / "last.pt")
    for delay_s in (0.003, 0.011, 0.017):
        first, written = multiprocessing.Pipe(duplex=False)
        # A fork: a new interpreter would take seconds to import what this one has.
        writer = multiprocessing.get_context("fork").Process(target=write_without_end, args=(file, written))
        writer.start()
        first.recv()
        time.sleep(delay_s)
        writer.kill()
        writer.join()
        content = file.read_bytes()
        assert len(content) == 4_000_000
        assert len(set(content)) == 1


def test_an_atomic_path_stays_one_through_joining(tmp_path: Path) -> None:
    assert isinstance(AtomicPath(tmp_path) / "epoch3.pt", AtomicPath)


def train_until_killed(saved: Connection, data: str, save_dir: str) -> None:
    yolo = YOLO(MODEL)
    yolo.add_callback("on_model_save", lambda trainer: saved.send(trainer.epoch))
    args = {**TINY, "epochs": 500, "save_period": -1}
    train_with_dropout(yolo, dropout=0.3, where="backbone", data=data, save_dir=save_dir, **args)


@pytest.mark.train
def test_a_killed_training_leaves_checkpoints_that_load(data: str, tmp_path: Path) -> None:
    process, saved = start(train_until_killed, data, str(tmp_path))
    while saved.recv() < 2:
        pass
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    content = load_checkpoint(tmp_path / "weights" / "last.pt")[1]
    assert content["epoch"] >= 2
    assert content["optimizer"] is not None

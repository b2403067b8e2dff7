"""Dropout survives what a training goes through: an interruption, several processes, and compile."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ddp_rank
import pytest
import torch
from tiny_data import CLS, NET, make_data
from torch import nn
from torchvision.ops import StochasticDepth
from tracker_settings import write_settings
from ultralytics import YOLO
from ultralytics.nn.modules import Conv

from yolo_dropout.cli import main
from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.executors import Job
from yolo_dropout.executors.local.worker import run_job
from yolo_dropout.executors.ultralytics.backend import ULTRALYTICS
from yolo_dropout.sites import Dropout, live_rates
from yolo_dropout.sites.acting import DropBlock
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.spec.treatment import Treatment
from yolo_dropout.training import TrainedRun, train_lean, train_with_dropout
from yolo_dropout.training.trainer import trainer_class

MODEL = str(CLS)
TINY: dict[str, Any] = {"epochs": 3, "imgsz": 32, "batch": 2, "nbs": 2, "plots": False}
DECAY = {"weight_decay": 0.01}
DROPOUT: dict[str, Any] = {"dropout": 0.4, "where": "backbone", "kind": "dropblock", "schedule": "linear"}


class Interrupted(Exception):
    pass


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_data("classify", tmp_path_factory.mktemp("classify")))


def interrupted(data: str, save_dir: Path, **dropout: Any) -> Path:
    """Train until the second of three epochs starts, and leave the first one's checkpoint."""

    def stop(trainer: Any) -> None:
        if trainer.epoch == 1:
            raise Interrupted

    yolo = YOLO(MODEL)
    yolo.add_callback("on_train_batch_start", stop)
    with pytest.raises(Interrupted):
        train_with_dropout(yolo, data=data, save_dir=str(save_dir), **dropout, **TINY)
    return save_dir / "weights" / "last.pt"


@pytest.fixture(scope="module")
def broken_off(data: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `run` of a training that broke off, which is to be resumed there and nowhere else, and a copy."""
    root = tmp_path_factory.mktemp("broken-off")
    interrupted(data, root / "run", **DROPOUT)
    shutil.copytree(root / "run", root / "kept")
    return root


@pytest.fixture
def last(broken_off: Path) -> Path:
    """The `last.pt` of a training that has just broken off."""
    shutil.rmtree(broken_off / "run")
    shutil.copytree(broken_off / "kept", broken_off / "run")
    return broken_off / "run" / "weights" / "last.pt"


@pytest.mark.train
@pytest.mark.parametrize("how", ["resume=True", "resume=path"])
def test_a_resumed_training_has_its_sites_kind_and_schedule_position(how: str, last: Path) -> None:
    folder = last.parents[1]
    before = json.loads((folder / "dropout.json").read_text())
    run = train_with_dropout(last, resume=True) if how == "resume=True" else train_with_dropout(MODEL, resume=str(last))
    assert list(run.sites) == before["sites"]
    assert run.save_dir == folder
    assert (run.proof["where"], run.proof["kind"], run.proof["schedule"]) == ("backbone", "dropblock", "linear")
    assert run.proof["rates"] == pytest.approx([0.0, 0.2, 0.4])
    assert len(run.results_csv.read_text().splitlines()) == 1 + 3


@pytest.mark.train
def test_stock_resumes_our_training_without_our_dropout(last: Path) -> None:
    yolo, seen = YOLO(last), list[set[type]]()
    yolo.add_callback("on_train_start", lambda trainer: seen.append({type(m) for m in trainer.model.modules()}))
    yolo.train(resume=True)
    assert len(seen) == 1
    assert DropBlock not in seen[0]


@pytest.mark.train
def test_the_command_line_goes_on_without_data(last: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "resume", f"model={last}"]) == 0
    assert "dropout 0.4 acted at " in capsys.readouterr().out


@pytest.mark.train
def test_a_lean_training_goes_on_too(last: Path) -> None:
    run: TrainedRun = train_lean(last, resume=True)
    assert run.proof["rates"] == pytest.approx([0.0, 0.2, 0.4])


@pytest.mark.train
def test_a_control_is_resumed_as_a_control(data: str, tmp_path: Path) -> None:
    last = interrupted(data, tmp_path)
    with pytest.raises(SpecError, match=r"^dropout: a resumed training keeps its own \(0.0\), got 0.2"):
        train_with_dropout(last, resume=True, dropout=0.2)
    assert train_with_dropout(last, resume=True).sites == ()


@pytest.mark.train
def test_a_control_in_the_folder_of_an_earlier_training_is_resumed_as_a_control(data: str, tmp_path: Path) -> None:
    train_lean(MODEL, data=data, save_dir=str(tmp_path), exist_ok=True, **DROPOUT, **(TINY | {"epochs": 1}))
    assert (tmp_path / "dropout.json").exists()
    last = interrupted(data, tmp_path)
    assert not (tmp_path / "dropout.json").exists()
    resumed = train_lean(last, resume=True)
    assert (resumed.sites, resumed.proof["rate"]) == ((), 0.0)


def job(data: str, path: Path, treatment: str = "0.4") -> Job:
    both = Treatment("both", Dropout(0.4), DECAY)
    spec = StudySpec(model=MODEL, data=data, rates=(0, 0.4), train=TINY, treatments=(both,))
    return Job(Run(0, treatment), spec, path, continue_broken=True)


@pytest.mark.train
def test_a_run_in_a_study_that_was_moved_goes_on_where_it_is_now_as_it_was_treated(data: str, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    interrupted(data, old, dropout=0.4, **DECAY)
    shutil.copytree(old, new)
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    record = run_job(job(data, new, "both"), ULTRALYTICS, lambda _row: None)
    assert (record.error, record.epochs) == (None, 3)
    assert record.sites and record.proof["train"] == DECAY
    assert (record.note or "").startswith("continued from last.pt")
    assert {path: path.read_bytes() for path in old.rglob("*") if path.is_file()} == before


@pytest.mark.train
@pytest.mark.parametrize("left", ["finished", "unreadable"])
def test_a_run_without_anything_to_go_on_from_starts_over(left: str, data: str, tmp_path: Path) -> None:
    last = tmp_path / "weights" / "last.pt"
    if left == "finished":  # killed after its checkpoint was written and before its record was
        train_lean(MODEL, data=data, save_dir=str(tmp_path), dropout=0.4, **TINY)
    else:
        last.parent.mkdir()
        last.write_bytes(b"half a checkpoint")
    record = run_job(job(data, tmp_path), ULTRALYTICS, lambda _row: None)
    assert (record.error, record.epochs, record.note) == (None, 3, None)


@pytest.mark.train
def test_resume_refuses_what_it_would_do_otherwise(last: Path) -> None:
    with pytest.raises(SpecError, match=r"^dropout: a resumed training keeps its own \(0.4\), got 0.2; leave it out"):
        train_with_dropout(last, resume=True, dropout=0.2)
    with pytest.raises(SpecError, match=r"^kind: a resumed training keeps its own \('dropblock'\), got 'dropout'"):
        train_with_dropout(last, resume=True, kind="dropout")
    (last.parents[1] / "dropout.json").write_text('{"rate": 0.4')
    with pytest.raises(InputError, match=r"^resume: .*dropout.json cannot be read"):
        train_with_dropout(last, resume=True)


@pytest.mark.train
def test_a_finished_training_is_not_resumed_as_a_new_one(data: str, tmp_path: Path) -> None:
    run = train_lean(MODEL, data=data, save_dir=str(tmp_path), **{**TINY, "epochs": 1})
    with pytest.raises(InputError, match=r"is of a finished training; leave resume out"):
        train_with_dropout(run.last, resume=True)
    with pytest.raises(InputError, match=r"^resume: needs a last.pt, got .*nowhere.pt"):
        train_with_dropout(MODEL, resume=str(tmp_path / "nowhere.pt"))


@pytest.fixture
def sent(data: str, tmp_path: Path) -> Path:
    """What Ultralytics sends to each rank of a DDP training, as `ultralytics.utils.dist.generate_ddp_file` does."""
    cloudpickle = pytest.importorskip("cloudpickle", reason="Ultralytics sends the trainer to its ranks with it")
    cls = trainer_class(YOLO(MODEL), Dropout(0.5, "backbone", schedule="linear"), lean=True, on_epoch=print)
    trainer = cls(overrides={**TINY, "model": MODEL, "data": data, "save_dir": str(tmp_path / "run"), "dropout": 0.5})
    content = {"trainer": cls, "args": vars(trainer.args), "model": trainer.model, "callbacks": trainer.callbacks}
    torch.save(content, tmp_path / "state.pt", pickle_module=cloudpickle)
    return tmp_path / "state.pt"


@pytest.mark.train
def test_a_trainer_that_was_sent_to_a_rank_has_the_dropout_there(sent: Path) -> None:
    trainer = ddp_rank.received(str(sent))
    trainer.epoch = 1  # the second of three
    trainer.run_callbacks("on_train_epoch_start")
    assert set(live_rates(trainer.model, trainer.dropout_sites).values()) == {0.25}


@pytest.mark.soak
@pytest.mark.train
def test_every_rank_of_a_ddp_training_has_the_dropout_and_draws_its_own_masks(sent: Path, tmp_path: Path) -> None:
    out, script = tmp_path / "report", ddp_rank.__file__
    environment = os.environ | {"WORLD_SIZE": "2", "YOLO_CONFIG_DIR": str(write_settings(tmp_path / "config"))}
    started = [
        subprocess.Popen(
            [sys.executable, script, str(sent), str(out)],
            env=environment | {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    for process in started:
        told, _ = process.communicate()
        assert process.returncode == 0, told[-3000:]
    ranks = [json.loads(Path(f"{out}.{rank}").read_text()) for rank in (0, 1)]
    assert all(set(rank["rates"].values()) == {0.25} for rank in ranks)  # the second of three epochs
    assert ranks[0]["rates"].keys() == ranks[1]["rates"].keys()
    assert any(ranks[0]["masks"])
    assert ranks[0]["masks"] != ranks[1]["masks"]
    assert [rank["class"] for rank in ranks] == ["DropoutClassificationTrainer"] * 2


@pytest.mark.parametrize("dropout", [nn.Dropout2d, DropBlock, lambda p: StochasticDepth(p, "row")])
def test_a_compiled_model_follows_a_changed_rate(dropout: Any) -> None:
    torch.manual_seed(0)
    torch._dynamo.reset()
    conv = Conv(3, 64, 1).train()
    conv.act = nn.Sequential(conv.act, dropout(0.5))
    compiled = torch.compile(conv, backend="aot_eager")
    dropped = []
    for rate in (0.0, 0.5):
        conv.act[1].p = rate
        dropped.append(float((compiled(torch.rand(200, 3, 4, 4)) == 0).float().mean()))
    assert dropped[0] == 0.0
    assert 0.3 < dropped[1] < 0.6


@pytest.mark.parametrize("schedule", ["linear", "early:10"])
def test_compile_with_a_rate_that_changes_every_epoch_is_refused(schedule: str) -> None:
    with pytest.raises(SpecError, match=r"^schedule: .* rates, and compile would build the network anew for each"):
        train_lean(MODEL, dropout=0.1, schedule=schedule, epochs=20, compile=True, data="unused")


@pytest.mark.parametrize("schedule", ["constant", "late:5", "early:1"])
def test_compile_with_two_rates_is_taken(schedule: str) -> None:
    Dropout(0.1, schedule=schedule).check_epochs(20, compiled=True)


@pytest.mark.train
def test_a_distilled_training_goes_on_with_dropout_in_its_student(tmp_path: Path) -> None:
    def stop(trainer: Any) -> None:
        if trainer.epoch == 1:
            raise Interrupted

    student, teacher = YOLO(NET), tmp_path / "teacher.pt"
    stock = {type(m) for m in student.model.modules()}
    student.save(str(teacher))
    student.add_callback("on_train_batch_start", stop)
    given = {**TINY, "epochs": 2, "data": str(make_data("detect", tmp_path / "data"))}
    with pytest.raises(Interrupted):
        train_with_dropout(student, dropout=0.3, distill_model=str(teacher), save_dir=str(tmp_path / "run"), **given)
    run = train_lean(tmp_path / "run" / "weights" / "last.pt", resume=True)
    assert len(run.sites) == 6
    assert run.proof["rates"] == [0.3, 0.3]
    assert float(run.results_csv.read_text().splitlines()[-1].split(",")[5]) > 0  # the loss that the teacher gives
    assert {type(m) for m in YOLO(run.best).model.modules()} == stock

"""Before the first run: disk, memory, and what the study will take."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import fakes
import pytest
import torch
from tiny_data import make_data

from yolo_dropout.cli import main, run
from yolo_dropout.cli.dry_run import dry_run
from yolo_dropout.cli.options import parse
from yolo_dropout.cli.sweep import sweep
from yolo_dropout.errors import SpecError, StudyFolderError, WorkerError
from yolo_dropout.executors import Backend, Found, Gpu
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.ray import RayExecutor
from yolo_dropout.executors.resources import (
    Needs,
    check_disk,
    fitting_jobs,
    little_disk,
    seconds_of_a_run,
    size,
)
from yolo_dropout.executors.ultralytics import rehearsal
from yolo_dropout.executors.ultralytics.rehearsal import footprint, seconds_per_image
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.training.lean.images import BUDGET
from yolo_dropout.training.models import load_model

pytestmark = pytest.mark.usefixtures("no_pictures")
SPEC = StudySpec(model="m", data="d", rates=(0, 0.1), seeds=3, train={"epochs": 10})
GB = 10**9


def test_what_study_yaml_keeps_of_the_look_has_the_names_and_order_that_it_always_had():
    always = ["task", "model_name", "n_train", "n_val", "n_classes", "data_digest", "data_content", "sites", "notes"]
    always += ["branch_note", "versions", "parameters", "memory"]
    found = Found(
        task="detect", n_train=4, n_val=4, data_digest="a", data_content="b", gpus=(Gpu(0, GB),), trackers=("mlflow",)
    )
    assert list(found.stored) == always
    assert list(replace(found, n_images=8).stored) == [*always, "n_images"]


def test_a_run_keeps_two_stripped_checkpoints_and_takes_two_whole_ones_while_it_trains():
    needs = Needs.of(SPEC, 1_000_000)
    assert needs.finished_bytes == 2 * 2_150_000 + 300_000
    assert needs.training_bytes == 2 * 6_500_000
    assert needs.disk_bytes(runs=6, jobs=2) == 6 * 4_600_000 + 2 * 13_000_000 + 20_000_000
    assert needs.disk_bytes(runs=1, jobs=2) == 4_600_000 + 13_000_000 + 20_000_000


def test_checkpoints_that_save_period_keeps_are_counted():
    spec = StudySpec(model="m", data="d", train={"epochs": 10, "save_period": 3})
    kept = Needs.of(spec, 1_000_000).finished_bytes
    assert kept == Needs.of(SPEC, 1_000_000).finished_bytes + 3 * 6_500_000


def test_a_study_that_does_not_fit_on_the_disk_is_refused_before_its_first_run(tmp_path, capfd):
    words = ["sweep", "model=m", "data=d", "--rates", "0", "0.1", "--seeds", "3", "--jobs", "1"]
    options = parse([*words, "--out", str(tmp_path / "s")])
    assert run(options, partial(sweep, backend=Backend(inspect_huge, fakes.train))) == 2
    err = capfd.readouterr().err
    assert err.startswith("yolo-dropout: --out: needs about 3.88e+06 GB for 6 runs, ")
    assert err.endswith(" are free; free some or choose another\n")
    assert not (tmp_path / "s" / "runs").exists()
    assert not (tmp_path / "s" / "study.yaml").exists()


def inspect_huge(spec):
    return replace(fakes.inspect(spec), parameters=10**14)


def test_only_runs_that_are_missing_need_disk(tmp_path):
    huge = Needs(10**18, 0)
    spec = StudySpec(model="m", data="d", rates=(0, 0.1), seeds=1)
    with pytest.raises(StudyFolderError, match=r"needs about 2e\+09 GB for 2 runs"):
        check_disk(StudyFolder(tmp_path), spec, huge, 1)
    assert little_disk(StudyFolder(tmp_path), huge).startswith("stopped: a run needs about 1e+09 GB of disk, ")
    options = parse(["sweep", "model=m", "data=d", "--rates", "0", "0.1", "--seeds", "1", "--out", str(tmp_path)])
    assert sweep(options, fakes.FAKE) == 0
    check_disk(StudyFolder(tmp_path), spec, huge, 1)


@pytest.fixture
def foreign_folder():
    """A folder that everybody may read and nobody but its owner may write."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        yield Path(name)


def as_nobody(function, *arguments) -> str:
    """What `function` raises where a user without rights calls it; root may write everywhere."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_as_nobody, args=(sender, function, *arguments))
    process.start()
    sender.close()
    message = receiver.recv()
    process.join()
    return message


def _as_nobody(sender, function, *arguments):
    if os.geteuid() == 0:
        os.setuid(65534)
    try:
        function(*arguments)
    except StudyFolderError as error:
        sender.send(str(error))


def test_a_folder_that_is_not_writable_is_told(foreign_folder):
    told = as_nobody(check_disk, StudyFolder(foreign_folder / "study"), SPEC, Needs(0, 0), 1)
    assert told == f"--out: {foreign_folder} is not writable; choose another, or make it writable"


@pytest.mark.parametrize(
    ("asked", "memory", "free", "jobs", "note"),
    [
        (4, None, 0, 4, None),
        (4, GB, 4 * GB, 4, None),
        (
            4,
            GB,
            3 * GB,
            4,
            "memory: 4 at a time need about 4 GB, 3 GB are free; runs may be killed, use --jobs 3 or a smaller batch",
        ),
        (
            1,
            2 * GB,
            GB,
            1,
            "memory: 1 at a time need about 2 GB, 1 GB are free; runs may be killed, use --jobs 1 or a smaller batch",
        ),
    ],
)
def test_a_number_of_jobs_that_was_asked_for_holds_and_little_memory_is_told(asked, memory, free, jobs, note):
    assert fitting_jobs(asked, memory, free) == (jobs, note)


def test_a_number_of_jobs_that_was_not_asked_for_is_lowered_to_what_memory_holds():
    jobs, note = fitting_jobs(None, 10**15, 10**15 + 1)
    assert jobs == 1
    unlimited, none = fitting_jobs(None, 1, 10**15)
    assert none is None
    assert (note is None) == (unlimited == 1)


def test_time_is_that_of_finished_runs_or_else_of_single_steps():
    records = [RunRecord("0.0", seed, "finished", seconds=seconds) for seed, seconds in enumerate((10.0, 20.0, 90.0))]
    found, per_image = Found(task="detect", n_train=100, n_val=60), 0.02
    assert seconds_of_a_run(SPEC, found, records, per_image) == 20
    assert seconds_of_a_run(SPEC, found, [], per_image) == pytest.approx(3 + 10 * (100 + 60 / 3) * 0.02)
    assert seconds_of_a_run(SPEC, found, [], None) is None


def test_sizes_are_words():
    assert [size(n) for n in (999, 1500, 2.5e6, 1.25e9)] == ["999 bytes", "1.5 kB", "2.5 MB", "1.25 GB"]


def rehearse(spec):
    return 0.5


def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path, capsys):
    words = ["sweep", "model=m", "data=d", "epochs=10", "--rates", "0", "0.1", "--seeds", "2", "--jobs", "2"]
    options = parse([*words, "--dry-run", "--out", str(tmp_path / "s")])
    assert sweep(options, Backend(fakes.inspect, fakes.train, rehearse)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "4 runs: 0 finished, 0 failed, 4 to do",
        "time: about 60 s, 2 at a time; rough, from single steps on random images",  # 2 (3 + 10 (4 + 4/3) / 2) s
    ]
    assert lines[2].startswith("disk: about 21.2 MB, ")
    assert lines[-5:-1] == [
        "  rate 0.0  seed 0: to do",
        "  rate 0.1  seed 0: to do",
        "  rate 0.0  seed 1: to do",
        "  rate 0.1  seed 1: to do",
    ]
    assert lines[-1] == "dry run: nothing was trained, and nothing written but Ultralytics' label cache"
    assert list(tmp_path.iterdir()) == []


def fail_at_one(job, on_epoch):
    if job.run.name == "p0.10-s0":
        raise RuntimeError("boom")
    return fakes.train(job, on_epoch)


def test_a_dry_run_tells_what_is_done_and_what_is_missing(tmp_path, capsys):
    words = ["sweep", "model=m", "data=d", "--rates", "0", "0.1", "--out", str(tmp_path), "--seeds"]
    backend = Backend(fakes.inspect, fail_at_one)
    assert sweep(parse([*words, "1"]), backend) == 1
    capsys.readouterr()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert sweep(parse([*words, "2", "--dry-run"]), backend) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "4 runs: 1 finished, 1 failed, 2 to do"
    assert lines[-5:-1] == [
        "  rate 0.0  seed 0: finished",
        "  rate 0.1  seed 0: failed: RuntimeError: boom",
        "  rate 0.0  seed 1: to do",
        "  rate 0.1  seed 1: to do",
    ]
    assert "as the finished runs took" in lines[1]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_dry_run_counts_failed_runs_that_would_be_trained_again(tmp_path, capsys):
    words = ["sweep", "model=m", "data=d", "--rates", "0", "0.1", "--out", str(tmp_path), "--seeds", "1"]
    backend = Backend(fakes.inspect, fail_at_one)
    assert sweep(parse(words), backend) == 1
    capsys.readouterr()
    assert sweep(parse([*words, "--dry-run", "--retry-failed"]), backend) == 0
    assert capsys.readouterr().out.startswith("2 runs: 1 finished, 0 failed, 1 to do\n")


def test_memory_grows_with_batch_and_image_size_and_parameters_are_counted():
    def of(**train):
        spec = StudySpec(model="yolo26n-cls.yaml", data="d", train=train)
        return footprint(spec, load_model(spec.model))

    small, large = of(imgsz=64, batch=4), of(imgsz=128, batch=8)
    assert small[0] == large[0] == 2_812_104
    assert 800_000_000 < small[1] < large[1]
    base = small[1] - (large[1] - small[1]) / 7  # eight times the pixels
    assert base == pytest.approx(800_000_000 + BUDGET + 44 * 2_812_104, rel=1e-6)


@pytest.mark.parametrize("batch", [-1, 0.7])
def test_a_batch_that_each_run_would_choose_for_itself_is_refused_on_a_gpu(monkeypatch, batch):
    monkeypatch.setattr(rehearsal, "_device", lambda _spec: torch.device("cuda"))
    spec = StudySpec(model="yolo26n-cls.yaml", data="d", train={"batch": batch})
    with pytest.raises(SpecError, match=rf"^batch: must be a number of images in a study on a GPU, got {batch}: "):
        footprint(spec, load_model(spec.model))


def test_seconds_per_image_are_measured():
    small, large = (
        seconds_per_image(StudySpec(model="yolo26n-cls.yaml", data="d", train={"imgsz": imgsz, "batch": 4}))
        for imgsz in (32, 640)
    )
    assert 0 < small < large


def test_a_real_dry_run_needs_no_training(tmp_path, capfd):
    words = ["model=yolo26n.yaml", f"data={make_data('detect', tmp_path)}", "imgsz=32", "epochs=2", "batch=2"]
    assert main(["sweep", *words, "--dry-run", "--out", str(tmp_path / "s")]) == 0
    out = capfd.readouterr().out
    assert "15 runs: 0 finished" in out
    assert "rough, from single steps" in out
    assert "memory: about " in out
    assert not (tmp_path / "s").exists()


def test_a_dry_run_for_a_cluster_says_whose_times_it_tells(tmp_path, capsys):
    spec = StudySpec("m", "d", rates=(0, 0.1), seeds=2, train={"epochs": 10})
    dry_run(spec, tmp_path / "s", RayExecutor(), Backend(fakes.inspect, fakes.train, rehearse))
    lines = capsys.readouterr().out.splitlines()
    assert "on a cluster: times are this machine's, and more runs at a time take less" in lines
    assert not any(line.startswith("memory") for line in lines)


def dies(spec):
    print("what was wrong", flush=True)
    os._exit(3)


def test_a_dry_run_that_breaks_down_leaves_the_log_that_it_names(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(WorkerError, match=r"see (.*)") as error:
        dry_run(SPEC, tmp_path / "s", LocalExecutor(), Backend(dies, fakes.train))
    log = Path(str(error.value).rpartition("see ")[2].split(";")[0])
    assert "what was wrong" in log.read_text()
    dry_run(SPEC, tmp_path / "s", LocalExecutor(), fakes.FAKE)
    assert [path for path in tmp_path.iterdir() if path != log.parent] == []

"""Faults while a study runs: each ends in a record, a line on the terminal and a line in the report."""

from __future__ import annotations

import contextlib
import html
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import fakes
import pytest
from survival import tables

from yolo_dropout.cli import run
from yolo_dropout.cli.options import parse
from yolo_dropout.cli.sweep import sweep
from yolo_dropout.executors import Backend, Job, OnEpoch, Outcome
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import read_records
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.study import load_study, run_study

WORDS = ("model=m", "epochs=3", "--rates", "0", "0.2", "--seeds", "3", "--jobs", "1")
VICTIM = "p0.20-s1"
MEGABYTE = 1_000_000


def study(folder: Path, train: Callable[..., Outcome] = fakes.train, *words: str, inspect=fakes.inspect) -> int:
    """Run the command `sweep` with a fake backend, and return its exit code."""
    data = () if any(word.startswith("data=") for word in words) else ("data=d",)
    options = parse(["sweep", *WORDS, *data, *words, "--out", str(folder)])
    return run(options, partial(sweep, backend=Backend(inspect, train)))


def mended(folder: Path, **more: object) -> bool:
    """Run the study again without its fault, and without pictures; whether every run has finished then."""
    spec = load_study(folder).spec
    given = {"executor": LocalExecutor(1), "backend": fakes.FAKE, "publish": publish_tables, **more}
    again = run_study(spec, folder, retry_failed=True, **given)
    return not again.failed and not again.missing


def failures(folder: Path) -> dict[str, str]:
    return {record.run.name: record.error for record in read_records(StudyFolder(folder))[0] if not record.finished}


def report(folder: Path) -> str:
    """The report's text, with quotes and signs as people see them."""
    return html.unescape((folder / "report.html").read_text())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert study(folder) == 0
    return tables(folder)


def killed(job: Job) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def out_of_memory(job: Job) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
    bytearray(2**33)


def hung(job: Job) -> None:
    time.sleep(3600)


def deleted(job: Job) -> None:
    shutil.rmtree(job.path)


def disk_quota(job: Job) -> None:
    """No file may grow, as on a full disk: neither the checkpoint nor the record."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    (job.path / "last.pt").write_bytes(bytes(1000))


FAULTS = {
    "worker killed (SIGKILL), as for memory": (
        killed,
        "the process was killed (SIGKILL), perhaps for want of memory; try fewer --jobs",
    ),
    "no memory left (RLIMIT_AS)": (out_of_memory, "MemoryError; try fewer --jobs, or a smaller batch or imgsz"),
    "worker hangs (--run-timeout)": (hung, "took longer than the run timeout of 5 s"),
    "run folder deleted underneath": (deleted, "[Errno 2] No such file or directory: "),
    "nothing can be written (RLIMIT_FSIZE)": (disk_quota, "cannot be written (File too large)"),
}


def train_with(fault: Callable[[Job], None], job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train, but suffer the fault in one run before its results are written."""
    if job.run.name == VICTIM:
        fault(job)
    return fakes.train(job, on_epoch)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_one_run_is_recorded_told_and_reported_and_the_others_count(
    tmp_path, capfd, undisturbed, record_property, name
):
    fault, error = FAULTS[name]
    train = delete_results if fault is deleted else partial(train_with, fault)
    timeout = ("--run-timeout", "5") if fault is hung else ()
    assert study(tmp_path, train, *timeout) == 1
    told = capfd.readouterr()
    assert set(failures(tmp_path)) == {VICTIM}
    assert error in failures(tmp_path)[VICTIM]
    assert f"failed: rate 0.2 seed 1: {failures(tmp_path)[VICTIM]}" in told.out
    assert error in report(tmp_path)
    assert "1 of 6 runs failed; the verdict rests on the others." in report(tmp_path)
    assert "Traceback" not in told.out + told.err
    assert mended(tmp_path)
    assert tables(tmp_path) == undisturbed
    record_property("fault", (name, 1, "one failed record, told, reported; equal tables after --retry-failed"))


def delete_results(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train, and lose the folder of one run before its record is written."""
    outcome = fakes.train(job, on_epoch)
    if job.run.name == VICTIM:
        deleted(job)
    return outcome


def diverged(values: str, job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train, with losses that are no numbers from the second epoch on, or from the first."""
    outcome = fakes.train(job, on_epoch)
    if job.run.name == VICTIM:
        lines = job.folder.results.read_text().splitlines()
        column = lines[0].split(",").index("val/box_loss")
        for row, value in enumerate(values.split(","), 1):
            cells = lines[row].split(",")
            cells[column] = value or cells[column]
            lines[row] = ",".join(cells)
        job.folder.results.write_text("\n".join(lines) + "\n")
    return outcome


@pytest.mark.parametrize(("values", "epoch", "scored"), [(",nan,inf", 2, True), ("nan,-inf,nan", 1, False)])
def test_losses_that_are_no_numbers_are_noted_in_the_record_told_and_reported(
    tmp_path, capfd, record_property, values, epoch, scored
):
    assert study(tmp_path, partial(diverged, values)) == 0
    note = f"rate 0.2 seed 1: validation loss not finite from epoch {epoch} on"
    assert note in capfd.readouterr().out
    assert note in report(tmp_path)
    assert ("1 finished runs have no finite score" in report(tmp_path)) is not scored
    score = (tmp_path / "scores.csv").read_text().splitlines()[2].split(",")[2]
    assert bool(score) is scored
    record_property("fault", ("losses NaN or infinite", 1, "noted in the record, told, reported, never averaged"))


def lose_the_data(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train on a data set that disappears after the third run."""
    data = Path(job.spec.data)
    data.read_text()
    if job.run.name == "p0.00-s1":
        data.unlink()
    return fakes.train(job, on_epoch)


@pytest.mark.usefixtures("no_pictures")
def test_a_data_set_that_disappears_fails_what_needs_it_and_nothing_else(tmp_path, capfd, undisturbed, record_property):
    data, folder = tmp_path / "d.yaml", tmp_path / "study"
    data.write_text("names: [a]")
    assert study(folder, lose_the_data, f"data={data}") == 1
    assert "failed: rate 0.2 seed 1: FileNotFoundError: " in capfd.readouterr().out
    assert set(failures(folder)) == {"p0.20-s1", "p0.00-s2", "p0.20-s2"}
    assert "3 of 6 runs failed" in report(folder)
    data.write_text("names: [a]")
    assert mended(folder)
    assert tables(folder) == undisturbed
    record_property("fault", ("data set disappears", 1, "failed records, told, reported; --retry-failed completes"))


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)]
    if os.geteuid() or shutil.which("mount") is None or subprocess.call(words):
        pytest.skip("needs root and mount for a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(job: Job, leave: int) -> None:
    """Fill the disk until so many bytes are left, and then write a checkpoint that does not fit."""
    free = shutil.disk_usage(job.path).free
    (job.path.parents[1] / "ballast").write_bytes(bytes(max(0, free - leave)))
    checkpoint = job.path / "last.pt"
    with contextlib.ExitStack() as stack:
        stack.callback(checkpoint.unlink, missing_ok=True)
        checkpoint.write_bytes(bytes(leave + MEGABYTE))


def inspect_large(spec):
    return replace(fakes.inspect(spec), parameters=200_000)


def test_a_disk_that_fills_up_stops_the_study_before_the_next_run(small_disk, capfd, undisturbed, record_property):
    folder = small_disk / "study"
    train = partial(train_with, partial(fill, leave=2_500_000))
    assert study(folder, train, inspect=inspect_large) == 1
    told = capfd.readouterr().out
    assert failures(folder) == {VICTIM: "OSError: [Errno 28] No space left on device"}
    stopped = "stopped: a run needs about 3.76 MB of disk, "
    assert stopped in told.replace("\n", " ")
    assert stopped in report(folder)
    (folder / "ballast").unlink()
    assert mended(folder, backend=Backend(inspect_large, fakes.train))
    assert tables(folder) == undisturbed
    record_property("fault", ("disk full (ENOSPC)", 1, "failed record, stops, told, reported; goes on once freed"))


def test_a_disk_without_a_byte_left_ends_the_study_with_one_line(small_disk, capfd, undisturbed, record_property):
    folder = small_disk / "study"
    train = partial(train_with, fill_to_the_brim)
    assert study(folder, train) == 2
    err = capfd.readouterr().err.splitlines()
    assert err == [
        f"yolo-dropout: {folder}/runs/{VICTIM}/run.json: cannot be written (No space left on device); "
        "free some disk space and run the same command again"
    ]
    (folder / "ballast").unlink()
    assert mended(folder)
    assert tables(folder) == undisturbed
    record_property("fault", ("disk full to the last byte", 1, "one line, exit 2; goes on once freed"))


def fill_to_the_brim(job: Job) -> None:
    """Leave no room for a record either."""
    with (job.path.parents[1] / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))


def damage(folder: Path) -> None:
    """What power cuts, copies and people leave in a finished study's folder."""
    runs = folder / "runs"
    (runs / "p0.00-s0" / "run.json").write_text('{"rate": 0.0, "se')
    results = runs / "p0.20-s0" / "results.csv"
    results.write_text(results.read_text()[:-9])
    doubled = runs / "p0.00-s1" / "results.csv"
    lines = doubled.read_text().splitlines(keepends=True)
    doubled.write_text("".join([*lines[:3], lines[2], *lines[3:]]))
    shutil.copytree(runs / "p0.20-s1", runs / "p0.20-s1 (copy)")
    (runs / "notes.txt").write_text("mine")
    shutil.rmtree(runs / "p0.00-s2")
    for name in ("study.yaml", "figures/a.png", "runs/p0.20-s2/run.json"):
        leftover = Path(name).with_name(f".{Path(name).name}.tmp-abcd_123{Path(name).suffix}")
        (folder / leftover).write_text("{")


@pytest.mark.usefixtures("no_pictures")
def test_what_crashes_and_people_leave_in_a_folder_is_told_and_repaired_and_never_averaged(
    tmp_path, capfd, undisturbed, record_property
):
    assert study(tmp_path) == 0
    capfd.readouterr()
    damage(tmp_path)
    assert study(tmp_path) == 0
    told = capfd.readouterr().out
    runs, doubled = tmp_path / "runs", f"{tmp_path}/runs/p0.00-s1/results.csv: epoch 2 stands there twice"
    foreign = (
        f"{runs}/notes.txt: belongs to no run of this study and is left out",
        f"{runs}/p0.20-s1 (copy): holds the record of p0.20-s1; the folder was renamed and is left out",
    )
    assert f"{runs}/p0.00-s0/run.json: cannot be read" in told
    assert (
        f"{runs}/p0.20-s0/results.csv: holds 2 readable epochs, and 3 were trained, so the run counts as not yet done"
        in told
    )
    for line in (doubled, *foreign):
        assert line in told
        assert line.replace(f"{tmp_path}/", "") in report(tmp_path)  # which may be shared, and names no folder of ours
    assert (runs / "notes.txt").read_text() == "mine"
    assert "3 of 6 runs to do" in told
    assert not list(tmp_path.rglob("*.tmp-*"))
    assert tables(tmp_path) == undisturbed
    record_property(
        "fault",
        (
            "damaged files (half row, doubled epoch, cut run.json, foreign, leftovers)",
            9,
            "told, repaired or set aside; equal tables",
        ),
    )


@pytest.mark.usefixtures("no_pictures")
def test_a_run_folder_that_is_a_link_is_replaced_and_its_target_left_alone(tmp_path, undisturbed):
    outside, folder = tmp_path / "outside", tmp_path / "study"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    (folder / "runs").mkdir(parents=True)
    (folder / "runs" / VICTIM).symlink_to(outside)
    assert study(folder) == 0
    assert [path.name for path in outside.iterdir()] == ["precious"]
    assert tables(folder) == undisturbed

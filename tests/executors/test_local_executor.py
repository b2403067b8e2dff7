"""The local executor, with real processes and a fake backend."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import fakes
import pytest
from fakes import SPEC, jobs

from yolo_dropout.errors import InputError
from yolo_dropout.executors import Backend, Ended, EpochDone, Started
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.local.processes import receive, telling
from yolo_dropout.executors.local.worker import ready_folder
from yolo_dropout.folder.records import read_record


def test_every_run_starts_tells_its_epochs_and_ends_with_a_record(tmp_path):
    events = list(LocalExecutor(jobs=2).run(jobs(tmp_path), fakes.FAKE))
    for job in jobs(tmp_path):
        mine = [event for event in events if event.run == job.run]
        assert isinstance(mine[0], Started)
        assert [event.values["epoch"] for event in mine[1:-1] if isinstance(event, EpochDone)] == [1, 2, 3]
        assert mine[-1] == Ended(job.run, read_record(job.folder))
        assert mine[-1].record.finished
        assert job.folder.log.read_text() == f"trained {job.run.name}\n"


def test_a_run_that_goes_on_keeps_nothing_that_was_measured_of_its_checkpoint(tmp_path):
    job = replace(jobs(tmp_path)[0], continue_broken=True)
    for name in ("weights/last.pt", "run.json", "shift.csv", "images.csv", "classes.csv"):
        file = job.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    ready_folder(job)
    assert sorted(path.name for path in job.path.iterdir()) == ["classes.csv", "weights"]


def fail_at_one(job, on_epoch):
    if job.run.rate and job.run.seed == 1:
        raise ValueError("first line\nsecond line")
    return fakes.train(job, on_epoch)


def test_a_failed_run_is_recorded_with_its_error_and_the_others_go_on(tmp_path):
    records = fakes.ends(LocalExecutor(jobs=2).run(jobs(tmp_path), Backend(fakes.inspect, fail_at_one)))
    assert records["p0.10-s1"].status == "failed"
    assert records["p0.10-s1"].error == "ValueError: first line"
    assert "Traceback" in (tmp_path / "runs" / "p0.10-s1" / "train.log").read_text()
    assert sum(record.finished for record in records.values()) == 3


def die(job, on_epoch):
    os.kill(os.getpid(), signal.SIGKILL)


def die_by_a_number(job, on_epoch):
    os.kill(os.getpid(), signal.SIGRTMIN + 1)


def leave(job, on_epoch):
    raise SystemExit(7)


def vanish(job, on_epoch):
    os._exit(3)


@pytest.mark.parametrize(
    ("train", "error"),
    [
        (die, "the process was killed (SIGKILL), perhaps for want of memory; try fewer --jobs"),
        (die_by_a_number, f"the process was killed (signal {signal.SIGRTMIN + 1})"),
        (leave, "SystemExit: 7"),
        (vanish, "the process ended without a result (exit code 3)"),
    ],
)
def test_a_worker_that_dies_is_a_failed_run(tmp_path, train, error):
    records = fakes.ends(LocalExecutor(jobs=2).run(jobs(tmp_path), Backend(fakes.inspect, train)))
    assert [record.error for record in records.values()] == [error] * 4
    assert read_record(jobs(tmp_path)[0].folder).error == error


def hang(job, on_epoch):
    (job.path / "pid").write_text(str(os.getpid()))
    time.sleep(600)


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_a_hung_worker_is_stopped_after_the_run_timeout(tmp_path):
    executor = LocalExecutor(jobs=4, run_timeout_s=2.0)
    records = fakes.ends(executor.run(jobs(tmp_path), Backend(fakes.inspect, hang)))
    assert {record.error for record in records.values()} == {"took longer than the run timeout of 2 s"}


def test_closing_the_events_kills_what_runs(tmp_path):
    events = LocalExecutor(jobs=1).run(jobs(tmp_path), Backend(fakes.inspect, hang))
    assert isinstance(next(events), Started)
    pid_file = tmp_path / "runs" / "p0.00-s0" / "pid"
    while not (pid_file.exists() and pid_file.read_text()):
        time.sleep(0.05)
    events.close()
    assert gone(int(pid_file.read_text()))
    assert not (tmp_path / "runs" / "p0.00-s0" / "run.json").exists()


def test_jobs_are_taken_only_when_a_slot_is_free(tmp_path):
    taken = []

    def one_by_one():
        for job in jobs(tmp_path):
            taken.append(job.run.name)
            yield job

    started = []
    for event in LocalExecutor(jobs=1).run(one_by_one(), fakes.FAKE):
        if isinstance(event, Started):
            started.append(event.run.name)
            assert taken == started


def test_the_end_of_a_process_is_heard_though_its_connection_stays_open():
    # As on Windows, where the parent holds the other end itself until the process has taken it over.
    receiver, sender = multiprocessing.Pipe(duplex=False)
    sentinel, of_process = multiprocessing.Pipe(duplex=False)
    ended = SimpleNamespace(sentinel=sentinel, is_alive=lambda: False)
    assert telling({receiver: ended}, 0.0) == []
    sender.send("last words")
    of_process.close()
    assert telling({receiver: ended}) == [receiver]
    assert receive(receiver, ended) == "last words"
    assert telling({receiver: ended}) == [receiver]
    with pytest.raises(EOFError):
        receive(receiver, ended)


def test_a_wait_that_ctrl_c_breaks_off_as_on_windows_is_no_error():
    class Interrupted:
        def fileno(self):
            raise InterruptedError

    assert telling({Interrupted(): SimpleNamespace(sentinel=Interrupted())}) == []


def test_a_folder_left_by_a_run_that_broke_off_is_made_anew(tmp_path):
    (tmp_path / "runs" / "p0.00-s0" / "weights").mkdir(parents=True)
    (tmp_path / "runs" / "p0.00-s0" / "results.csv").write_text("half")
    list(LocalExecutor().run(jobs(tmp_path)[:1], fakes.FAKE))
    assert not (tmp_path / "runs" / "p0.00-s0" / "weights").exists()
    assert (tmp_path / "runs" / "p0.00-s0" / "results.csv").read_text() != "half"


def refuse(spec):
    raise InputError("data: no")


def break_down(spec):
    raise ZeroDivisionError("oh\nno")


def test_call_returns_the_value_and_passes_our_errors_on(tmp_path):
    log = tmp_path / "log"
    assert LocalExecutor().call(fakes.inspect, SPEC, log=log).task == "detect"
    with pytest.raises(InputError, match=r"^data: no$"):
        LocalExecutor().call(refuse, SPEC, log=log)
    with pytest.raises(RuntimeError, match=r"^ZeroDivisionError: oh; see .+log$"):
        LocalExecutor().call(break_down, SPEC, log=log)
    with pytest.raises(RuntimeError, match=r"^vanish: the process ended without a result \(exit code 3\); see"):
        LocalExecutor().call(vanish, SPEC, None, log=log)


def diverge(job, on_epoch):
    outcome = fakes.train(job, on_epoch)
    lines = job.folder.results.read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[4], "nan")
    job.folder.results.write_text("\n".join(lines) + "\n")
    return outcome


def lose_an_epoch(job, on_epoch):
    outcome = fakes.train(job, on_epoch)
    lines = job.folder.results.read_text().splitlines(keepends=True)
    job.folder.results.write_text("".join(lines[:2]))
    return outcome


def lose_everything(job, on_epoch):
    outcome = fakes.train(job, on_epoch)
    shutil.rmtree(job.path)
    return outcome


def test_a_training_that_diverged_says_so_in_its_record(tmp_path):
    records = fakes.ends(LocalExecutor().run(jobs(tmp_path)[:1], Backend(fakes.inspect, diverge)))
    assert records["p0.00-s0"].finished
    assert records["p0.00-s0"].note == "validation loss not finite from epoch 3 on"


@pytest.mark.parametrize(
    ("train", "error"),
    [(lose_an_epoch, "lacks epochs that were trained, 2 first"), (lose_everything, "cannot be read")],
)
def test_a_folder_that_is_changed_underneath_fails_the_run(tmp_path, train, error):
    records = fakes.ends(LocalExecutor().run(jobs(tmp_path)[:1], Backend(fakes.inspect, train)))
    assert records["p0.00-s0"].status == "failed"
    assert error in records["p0.00-s0"].error


def surroundings(name):
    return os.environ.get(name), str(Path.cwd())


def test_a_process_has_the_environment_and_folder_of_the_moment(tmp_path, monkeypatch):
    for value, folder in (("first", tmp_path), ("second", tmp_path / "below")):
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        monkeypatch.setenv("OF_A_NOTEBOOK", value)
        found = LocalExecutor().call(surroundings, "OF_A_NOTEBOOK", log=tmp_path / "log")
        assert found == (value, str(folder))


def test_a_run_is_no_rank_of_the_training_that_started_the_study(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert LocalExecutor().call(surroundings, "RANK", log=tmp_path / "log")[0] is None


def test_a_script_without_a_main_guard_is_told_to_have_one(tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import fakes\nfrom multiprocessing import parent_process\nfrom yolo_dropout import StudySpec, run_study\n"
        "from yolo_dropout.executors.local.processes import warm_up\n"
        "if parent_process() is None:\n    warm_up(())  # without torch, which takes seconds\n"
        "run_study(StudySpec(model='m', data='d', rates=(0, 0.1), seeds=1), 'study', backend=fakes.FAKE)\n"
    )
    search = [str(Path(__file__).parents[1] / "support"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(search)}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith('start from a script under `if __name__ == "__main__":`')


def break_off_then_go_on(job, on_epoch):
    last = job.path / "weights" / "last.pt"
    if job.checkpoint is None:
        last.parent.mkdir(parents=True)
        last.write_text("checkpoint")
        os._exit(1)
    return replace(fakes.train(job, on_epoch), continued=True)


def test_a_run_that_broke_off_goes_on_from_its_checkpoint_on_request_and_the_record_says_so(tmp_path):
    backend = Backend(fakes.inspect, break_off_then_go_on)
    job = jobs(tmp_path)[0]
    assert not fakes.ends(LocalExecutor().run([job], backend))["p0.00-s0"].finished
    record = fakes.ends(LocalExecutor().run([replace(job, continue_broken=True)], backend))["p0.00-s0"]
    assert record.finished
    assert record.note.startswith("continued from last.pt after it broke off")
    assert not fakes.ends(LocalExecutor().run([job], backend))["p0.00-s0"].finished

"""Ctrl-C once, twice, SIGTERM: what a person and a cluster send, to a sweep that really runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from survival import TABLES, alive
from waiting import PATIENCE_S, wait_until

from yolo_dropout.cli import main
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import read_records

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to see whether a process lives")

WORDS = ("model=m", "data=d", "epochs=3", "--rates", "0", "0.2", "--seeds", "3", "--jobs", "2")
FIRST_TWO = {"p0.00-s0", "p0.20-s0"}


class Sweep:
    """A sweep whose trainings wait at a gate; it leads a process group, as a terminal's foreground job does."""

    def __init__(self, root: Path, **environment: str) -> None:
        self.gate, self.folder = root / "gate", root / "study"
        self.gate.mkdir()
        program = str(Path(__file__).parents[1] / "support" / "fake_cli.py")
        self.process = subprocess.Popen(
            [sys.executable, program, str(self.gate), *WORDS, "--out", str(self.folder)],
            env=os.environ | {"WITHOUT_PICTURES": "1"} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def waiting(self) -> set[str]:
        return {path.name for path in self.gate.iterdir() if path.suffix != ".tmp"} - {"go"}

    @property
    def pids(self) -> list[int]:
        return [int((self.gate / name).read_text()) for name in self.waiting]

    def wait_for(self, *names: str) -> None:
        wait_until(lambda: set(names) <= self.waiting, self.process)

    def send(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def told_to_stop(self) -> None:
        line = ""
        while "stopping: running trainings finish first" not in line:
            line = self.process.stdout.readline()
            assert line, "the sweep ended without a word"

    def end(self) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out

    def ended(self) -> set[str]:
        return {record.run.name for record in read_records(StudyFolder(self.folder))[0]}


@pytest.fixture
def sweep(tmp_path) -> Iterator[Sweep]:
    sweep = Sweep(tmp_path)
    yield sweep
    sweep.process.kill()
    sweep.process.wait()


def test_ctrl_c_once_finishes_what_trains_and_writes_the_tables(sweep, record_property):
    sweep.wait_for(*FIRST_TWO)
    sweep.send(signal.SIGINT)
    sweep.told_to_stop()
    (sweep.gate / "go").touch()
    code, out = sweep.end()
    assert code == 130, out
    assert sweep.ended() == sweep.waiting == FIRST_TWO
    assert all((sweep.folder / name).stat().st_size for name in TABLES)
    assert "stopped as asked" in (sweep.folder / "report.html").read_text()
    assert "Traceback" not in out
    record_property("fault", ("Ctrl-C once", 1, "running trainings finish, tables are written, exit 130"))


def check_stopped_now(sweep: Sweep) -> None:
    code, out = sweep.end()
    assert code == 130, out
    assert out.endswith("yolo-dropout: interrupted; the same command goes on from here\n")
    assert "Traceback" not in out
    assert not any(alive(pid) for pid in sweep.pids)
    assert sweep.ended() == set()


def test_ctrl_c_twice_stops_now(sweep, record_property):
    sweep.wait_for(*FIRST_TWO)
    sweep.send(signal.SIGINT)
    sweep.told_to_stop()
    sweep.send(signal.SIGINT)
    check_stopped_now(sweep)
    record_property("fault", ("Ctrl-C twice", 1, "stopped now, no training survives, exit 130"))


def test_sigterm_to_every_process_stops_now_and_fails_no_run(sweep, record_property):
    """Clusters send SIGTERM to all processes of a job, in any order."""
    sweep.wait_for(*FIRST_TWO)
    for pid in sweep.pids:
        os.kill(pid, signal.SIGTERM)
    assert all(alive(pid) for pid in sweep.pids)
    sweep.send(signal.SIGTERM)
    check_stopped_now(sweep)
    record_property("fault", ("SIGTERM to every process", 1, "stopped now, no run failed by it, exit 130"))


@pytest.mark.soak
def test_sigterm_again_and_again_changes_nothing(sweep, record_property):
    sweep.wait_for(*FIRST_TWO)
    while sweep.process.poll() is None:
        sweep.process.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    check_stopped_now(sweep)
    record_property("fault", ("SIGTERM again and again", 1, "stopped now, exit 130"))


def test_the_fork_server_and_the_start_of_a_run_are_deaf_to_interrupts():
    code = """
import signal
from multiprocessing import forkserver
from yolo_dropout.base.platform import interrupts_held_back

def blocked():
    return sorted(int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, []))

with interrupts_held_back():
    forkserver.ensure_running()
    print(blocked(), next(line for line in open(f"/proc/{forkserver._forkserver._forkserver_pid}/status")
                          if line.startswith("SigBlk"))[-5:-1])
print(blocked())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[2, 15] 4002", "[]"]


def test_ctrl_c_twice_while_preparing_stops_now(tmp_path, record_property):
    sweep = Sweep(tmp_path, GATE_AT_PREPARE="1")
    sweep.wait_for("prepare")
    sweep.send(signal.SIGINT)
    sweep.told_to_stop()
    sweep.send(signal.SIGINT)
    check_stopped_now(sweep)
    record_property("fault", ("Ctrl-C twice while preparing", 1, "stopped now, exit 130"))


def test_a_second_sweep_leaves_with_a_line_that_names_the_first(sweep, capfd, record_property):
    sweep.wait_for(*FIRST_TWO)
    assert main(["sweep", *WORDS, "--out", str(sweep.folder)]) == 2
    told = capfd.readouterr().err
    assert told.startswith(f"yolo-dropout: {sweep.folder}: another sweep works here (host ")
    assert f", process {sweep.process.pid}, since 20" in told
    (sweep.gate / "go").touch()
    code, out = sweep.end()
    assert code == 0, out
    assert len(sweep.ended()) == 6
    record_property("fault", ("second sweep on one folder", 1, "leaves, naming the first; the first is undisturbed"))

"""What a launcher, a shell or a settings file leaves around a sweep takes no run of it down."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE_S, wait_until

PROGRAM = str(Path(__file__).parents[1] / "support" / "fake_cli.py")
WORDS = ["model=m", "data=d", "epochs=2", "--rates", "0", "0.1", "--seeds", "1", "--jobs", "1"]
HOSTILE = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "MPLBACKEND": "junk", "SOURCE_DATE_EPOCH": "junk"}


def leave_nothing():
    """As a launcher that closes all streams and waits for its children with SIGCHLD blocked."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    for descriptor in (0, 1, 2):
        os.close(descriptor)


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to see what a process was started with")
def test_a_sweep_needs_neither_streams_nor_a_working_directory_nor_a_clean_environment(tmp_path, record_property):
    gate, here = tmp_path / "gate", tmp_path / "here"
    gate.mkdir()
    here.mkdir()
    words = [sys.executable, PROGRAM, str(gate), *WORDS, "--out", str(tmp_path / "s")]
    process = subprocess.Popen(words, cwd=here, env=os.environ | HOSTILE, preexec_fn=leave_nothing)  # noqa: PLW1509
    wait_until((gate / "p0.00-s0").exists, process)
    started_with = Path(f"/proc/{(gate / 'p0.00-s0').read_text()}/environ").read_bytes().split(b"\0")
    assert b"RANK=1" not in started_with, "Ultralytics reads it as the fork server imports it"
    shutil.rmtree(here)
    (gate / "go").touch()
    assert process.wait(PATIENCE_S) == 0
    assert (tmp_path / "s" / "report.html").exists()
    fault = "streams closed, SIGCHLD blocked, working directory deleted, RANK set, bad settings"
    record_property("fault", (fault, 5, "the study goes on to its end and its report"))


def test_what_libraries_think_of_their_settings_does_not_reach_the_terminal(tmp_path):
    (tmp_path / "matplotlibrc").write_text("axes.nonsense: 3\nfigure.dpi: blue\ntext.usetex: True\n")
    words = [sys.executable, "-m", "yolo_dropout", "sweep", "model=yolo26n.yaml", "data=/no.yaml"]
    environment = os.environ | HOSTILE | {"OMP_NUM_THREADS": "junk"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("yolo-dropout: data: /no.yaml does not exist")
    assert len(done.stderr.splitlines()) == 1

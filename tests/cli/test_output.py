"""Where standard output cannot be written, the work goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

SWEEP = ["model=m", "data=d", "epochs=2", "--rates", "0", "0.1", "--seeds", "1", "--jobs", "1"]
FAULT = "reader of the output gone, or no room for the output"


def sweep(out: Path, stdout: int | IO[str], stderr: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
    gate = out.with_name("gate")
    gate.mkdir()
    (gate / "go").touch()
    words = [
        sys.executable,
        str(Path(__file__).parents[1] / "support" / "fake_cli.py"),
        str(gate),
        *SWEEP,
        "--out",
        str(out),
    ]
    environment = os.environ | {"WITHOUT_PICTURES": "1"}
    return subprocess.Popen(words, stdout=stdout, stderr=stderr, text=True, env=environment)


def test_a_reader_that_goes_away_does_not_take_the_study_with_it(tmp_path, record_property):
    process = sweep(tmp_path / "s", subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert (process.stderr.read(), process.wait()) == ("", 0)
    assert (tmp_path / "s" / "report.html").exists()
    assert len(list((tmp_path / "s" / "runs").glob("*/run.json"))) == 2
    record_property("fault", (FAULT, 1, "the study goes on to its end and its report"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_under_both_outputs_leaves_the_study_alone(tmp_path):
    with Path("/dev/full").open("w") as full:
        process = sweep(tmp_path / "s", full, stderr=full)
        assert process.wait() == 0
    assert (tmp_path / "s" / "report.html").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_under_the_output_is_told_once(tmp_path, record_property):
    with Path("/dev/full").open("w") as full:
        process = sweep(tmp_path / "s", full)
        _, told = process.communicate()
    assert told == "yolo-dropout: output: cannot be written (No space left on device); going on without\n"
    assert process.returncode == 0
    assert (tmp_path / "s" / "report.html").exists()
    record_property("fault", (FAULT, 1, "the study goes on to its end and its report"))

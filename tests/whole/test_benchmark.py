"""The benchmark trains the same work each way, and tells times only of equal curves."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmark.py"


@pytest.mark.soak
@pytest.mark.train
def test_our_runs_and_a_loop_over_ultralytics_have_equal_curves_and_the_floor_is_below_them():
    ways = ["--way", "loop of YOLO().train()", "--way", "ours"]
    words = [sys.executable, SCRIPT, "--workload", "classify", "--epochs", "1", "--seeds", "1", *ways]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"times as long as loop of YOLO\(\)\.train\(\), curves at rate 0 are equal$", done.stdout, re.MULTILINE
    )
    seconds = {way: float(taken) for way, taken in re.findall(r"^\| (.*?) \| ([\d.]+) \|", done.stdout, re.MULTILINE)}
    assert 0 < seconds["floor"] < seconds["ours"]

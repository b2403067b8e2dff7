"""As test_crash, with real trainings: the command line, killed ten times."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_crash import TABLES, alive, check_nothing_lost, finished, tables

from yolo_dropout.embedded import embedded_path

SWEEP = Path(__file__).parents[1] / "scripts" / "sweep.py"
KILLS = 10


def start_sweep(folder: Path) -> subprocess.Popen[str]:
    data = embedded_path("digits-classify")
    words = ["model=yolo26n-cls.yaml", f"data={data}", "imgsz=32", "epochs=3", "batch=64", "fraction=0.5"]
    options = ["--rates", "0", "0.5", "--seeds", "2", "--jobs", "2", "--retry-failed", "--out", str(folder)]
    return subprocess.Popen(
        [sys.executable, str(SWEEP), *words, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_training(process: subprocess.Popen[str], folder: Path, since: float) -> bool:
    """Whether a training has begun to write since; False when the sweep has ended first."""
    while process.poll() is None:
        if any(path.stat().st_mtime > since for path in folder.glob("runs/*/args.yaml")):
            return True
        time.sleep(0.05)
    return False


def worker_of(parent: int) -> int | None:
    """A training process: one that leads a process group and comes from this parent's fork server."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        pid, grandparent = int(path.parent.name), parent_of(int(fields[1]))
        if grandparent == parent and int(fields[2]) == pid and fields[0] != "Z":
            return pid
    return None


def parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def kill(victim: str, process: subprocess.Popen[str]) -> bool:
    worker = worker_of(process.pid)
    if victim == "parent":
        process.kill()
    elif victim == "group":
        os.killpg(process.pid, signal.SIGKILL)
    elif worker is None:
        return False
    else:
        os.kill(worker, signal.SIGKILL)
    return True


@pytest.mark.train
@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to find the training processes")
def test_real_trainings_killed_ten_times_end_as_if_undisturbed(tmp_path):
    rng, kills, round_number = random.Random(1), 0, 0
    reference = tmp_path / "undisturbed"
    out, _ = (process := start_sweep(reference)).communicate()
    assert process.returncode == 0, out
    while kills < KILLS:
        round_number += 1
        folder = tmp_path / str(round_number)
        for victim in ("parent", "group", "worker", "group", "parent"):
            since, before = time.time(), finished(folder)
            process = start_sweep(folder)
            if not wait_for_training(process, folder, since):
                break
            time.sleep(rng.uniform(0.0, 2.0))
            kills += kill(victim, process)
            process.communicate()
            check_nothing_lost(before, folder)
        out, _ = (process := start_sweep(folder)).communicate()
        assert process.returncode == 0, out
        assert not alive(worker_of(process.pid) or 0)
        assert tables(folder) == {name: (reference / name).read_bytes() for name in TABLES}
    print(f"{kills} real kills in {round_number} studies: 0 runs lost, 0 doubled")

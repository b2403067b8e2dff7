"""As test_crash, with real trainings: the command line, killed again and again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import pytest
from survival import alive, check_nothing_lost, finished, tables
from tracker_settings import write_settings

from yolo_dropout.cli import main
from yolo_dropout.spec.embedded import embedded_path

SWEEP = Path(__file__).parents[2] / "scripts" / "sweep.py"
TREATMENT = ("--treatment", "both: dropout=0.5 weight_decay=0.005")


@pytest.fixture
def untracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings without trackers: every sweep would import them anew, and there are many."""
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(write_settings(tmp_path / "config")))


def words(folder: Path, seeds: int) -> list[str]:
    data = embedded_path("digits-classify")
    words = ["model=yolo26n-cls.yaml", f"data={data}", "imgsz=32", "epochs=2", "batch=64", "fraction=0.2"]
    return [*words, *TREATMENT, "--seeds", str(seeds), "--jobs", "2", "--retry-failed", "--out", str(folder)]


def start_sweep(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SWEEP), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for_training(process: subprocess.Popen[str], folder: Path, since: float) -> int | None:
    """Process id of a training that has begun to write since; None when the sweep has ended first."""
    while process.poll() is None:
        if any(path.stat().st_mtime > since for path in folder.glob("runs/*/args.yaml")):
            worker = worker_of(process.pid)
            if worker is not None:
                return worker
        time.sleep(0.05)
    return None


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


@pytest.mark.train
@pytest.mark.usefixtures("untracked", "no_pictures")
@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to find the training processes")
@pytest.mark.parametrize(("enough", "starts", "seeds"), [(2, 1, 1), pytest.param(20, 5, 2, marks=pytest.mark.soak)])
def test_real_trainings_that_are_killed_end_as_if_undisturbed(enough, starts, seeds, tmp_path, record_property):
    """Each disturbed sweep loses a worker first, and then its parent or the whole group."""
    rng, kills, round_number = random.Random(1), 0, 0
    reference = tmp_path / "undisturbed"
    assert main(["sweep", *words(reference, seeds)]) == 0
    assert set(finished(reference)) == {f"{name}-s{seed}" for name in ("p0.00", "both") for seed in range(seeds)}
    while kills < enough:
        round_number += 1
        folder = tmp_path / str(round_number)
        for kill in islice(cycle((os.kill, os.killpg)), starts):
            since, before = time.time(), finished(folder)
            process = start_sweep(words(folder, seeds))
            worker = wait_for_training(process, folder, since)
            if worker is None:
                break
            time.sleep(rng.uniform(0.0, 2.0))
            if alive(worker):
                os.kill(worker, signal.SIGKILL)
                kills += 1
            time.sleep(rng.uniform(0.0, 1.0))
            if process.poll() is None:
                kill(process.pid, signal.SIGKILL)
                kills += 1
            process.communicate()
            check_nothing_lost(before, folder)
        assert main(["sweep", *words(folder, seeds)]) == 0
        assert tables(folder) == tables(reference)
    record_property("fault", ("real training killed (SIGKILL): worker, parent, group", kills, "0 lost, 0 doubled"))

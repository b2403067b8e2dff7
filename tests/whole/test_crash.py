"""Killed anywhere and started again, a study ends as if nothing had happened: nothing lost, nothing doubled."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fakes
import pytest
from fake_study import SPEC
from made_studies import Inline
from survival import TABLES, alive, check_nothing_lost, finished, tables

from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import run_study

WRITES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"}


def study(folder: Path, spec: StudySpec = SPEC) -> None:
    """Train in this process, so that a kill hits study and training alike."""
    run_study(spec, folder, executor=Inline(), backend=fakes.FAKE, publish=publish_tables)


# Fewer runs than in what is killed at random: every kind of write is in it.
SMALL = StudySpec(model="m", data="d", rates=(0, 0.1), seeds=1, train={"epochs": 4})


def study_killed_at_write(folder: Path, number: int, names: Path) -> None:
    """Run a study, and die just before its write number `number`; note what that was."""
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event not in WRITES or not str(arguments[0]).startswith(str(folder)):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
            return
        count += 1
        if count == number:
            os.write(os.open(names, os.O_APPEND | os.O_WRONLY | os.O_CREAT), f"{event} {arguments[0]}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    study(folder, SMALL)


def fork(target: Callable[..., None], *arguments: object) -> multiprocessing.Process:
    process = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    process.start()
    return process


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    study(folder)
    return tables(folder)


def test_killed_before_every_single_write(tmp_path, record_property):
    names, number, exitcode = tmp_path / "names", 0, -signal.SIGKILL
    study(tmp_path / "undisturbed", SMALL)
    undisturbed = tables(tmp_path / "undisturbed")
    while exitcode == -signal.SIGKILL:
        number += 1
        folder = tmp_path / str(number)
        process = fork(study_killed_at_write, folder, number, names)
        process.join()
        exitcode = process.exitcode
        before = finished(folder)
        study(folder, SMALL)
        check_nothing_lost(before, folder)
        assert tables(folder) == undisturbed, names.read_text().splitlines()[-1]
    assert exitcode == 0
    hit = names.read_text()
    assert number - 1 == len(hit.splitlines()) > 50
    for written in ("study.yaml", "run.json", "results.csv", *TABLES):
        assert f".{written}.tmp-" in hit or f"/{written}\n" in hit, f"{written} was never written under fire"
    record_property("fault", ("killed (SIGKILL) before every single write", number - 1, "0 runs lost, 0 doubled"))


@pytest.mark.parametrize("enough", [20, pytest.param(200, marks=pytest.mark.soak)])
def test_killed_at_random_moments_again_and_again(tmp_path, undisturbed, enough, record_property):
    rng, kills, round_number = random.Random(0), 0, 0
    while kills < enough:
        round_number += 1
        folder = tmp_path / str(round_number)
        exitcode: int | None = None
        while exitcode != 0:
            before = finished(folder)
            process = fork(study, folder)
            process.join(rng.uniform(0.0, 0.15))
            process.kill()
            process.join()
            exitcode = process.exitcode
            kills += exitcode == -signal.SIGKILL
            check_nothing_lost(before, folder)
            if rng.random() < 0.15:  # or else a slow machine would never finish a round
                study(folder)
                exitcode = 0
        assert tables(folder) == undisturbed
    record_property("fault", ("killed (SIGKILL) at a random moment", kills, "0 runs lost, 0 doubled"))


def start_fake_study(folder: Path, pids: Path) -> subprocess.Popen[bytes]:
    pids.mkdir(exist_ok=True)
    words = [sys.executable, str(Path(__file__).parents[1] / "support" / "fake_study.py"), str(folder)]
    environment = os.environ | {"FAKE_PIDS": str(pids)}
    return subprocess.Popen(words, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)


def wait_for_training(process: subprocess.Popen[bytes], pids: Path) -> int | None:
    """Process id of a training that has started since; None when the study has ended first."""
    known = set(pids.iterdir())
    while process.poll() is None:
        new = set(pids.iterdir()) - known
        if new:
            return int(min(new).name)
        time.sleep(0.02)
    return None


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to see whether a process lives")
@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.soak)])
@pytest.mark.parametrize("victim", ["parent", "worker", "group"])
def test_killed_processes_leave_nothing_behind_and_nothing_undone(
    tmp_path, undisturbed, victim, times, record_property
):
    folder, pids, rng, kills = tmp_path / "study", tmp_path / "pids", random.Random(victim), 0
    for _ in range(times):
        before = finished(folder) if folder.exists() else {}
        process = start_fake_study(folder, pids)
        trained = wait_for_training(process, pids)
        if trained is None:
            assert process.returncode == 0
            break
        time.sleep(rng.uniform(0.0, 0.5))
        if victim == "parent":
            process.kill()
        elif victim == "group":
            os.killpg(process.pid, signal.SIGKILL)
        elif alive(trained):
            os.kill(trained, signal.SIGKILL)
        kills += 1
        process.wait()
        deadline = time.monotonic() + 30
        while any(alive(int(path.name)) for path in pids.iterdir()):
            assert time.monotonic() < deadline, "a training outlived its study"
            time.sleep(0.05)
        check_nothing_lost(before, folder)
    run_study(SPEC, folder, executor=LocalExecutor(2), backend=fakes.FAKE, publish=publish_tables, retry_failed=True)
    assert tables(folder) == undisturbed
    record_property("fault", (f"{victim} killed (SIGKILL)", kills, "0 runs lost, 0 doubled, no process survives"))

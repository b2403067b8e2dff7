"""A study in the browser, with real processes: `watch` beside a study, and `sweep --serve` while it runs."""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import fakes
import pytest
from waiting import PATIENCE_S, wait_until

from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import run_study

SPEC = StudySpec(model="m", data="d", rates=(0, 0.1), seeds=3, train={"epochs": 4})


def ask(url: str, path: str = "/", **headers: str) -> tuple[int, str]:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE_S)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    result = answer.status, answer.read().decode()
    connection.close()
    return result


def address(process: subprocess.Popen[str]) -> str:
    """The address that the program prints; lines before it are passed over."""
    for line in process.stdout:
        found = re.search(r"http://127\.0\.0\.1:\d+/", line)
        if found:
            return found[0]
    raise AssertionError("the program ended without an address")


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start programs, and end what a failed test has left running."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-u", *words]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_watch_shows_a_study_to_this_machine_only_and_ends_on_ctrl_c(tmp_path: Path, start):
    study = run_study(SPEC, tmp_path, executor=LocalExecutor(jobs=2), backend=fakes.FAKE, publish=publish_tables)
    command = "import sys; from yolo_dropout.cli import main; sys.exit(main())"
    process = start("-c", command, "watch", str(tmp_path), "--host-name", "hub.example.org")
    url = address(process)
    status, page = ask(url)
    assert status == 200
    assert f"{study.scores[0.0].mean():.5g}"[:5] in page
    assert ask(url, Host="evil.example")[0] == 403
    assert ask(url, Host="hub.example.org")[0] == 200
    assert ask(url, "/study.yaml")[0] == 404
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 0
    with pytest.raises(OSError):
        ask(url)


def test_serve_shows_the_page_while_the_study_runs(tmp_path: Path, start):
    out, gate = tmp_path / "study", tmp_path / "gate"
    process = start(str(Path(__file__).parents[1] / "support" / "fake_sweep.py"), str(out), str(gate))
    url = address(process)
    wait_until(lambda: len(list(out.glob("runs/*/run.json"))) == 2)  # seed 0; the others wait for the gate
    page = ask(url)[1]
    assert "4 of 6 runs have not ended yet" in page
    assert "m on d" in page
    assert "<td>both at once</td>" in page
    assert ask(url, Host="evil.example")[0] == 403
    gate.touch()
    text, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, text
    assert (out / "report.html").exists()
    with pytest.raises(OSError):
        ask(url)

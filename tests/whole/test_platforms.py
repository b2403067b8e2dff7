"""Studies where nothing of POSIX is there: shown on Linux, with the start of processes that Windows has."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import without_posix
from fake_study import SPEC
from fakes import FAKE
from survival import alive, check_nothing_lost, finished, tables

from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.study import run_study

SUPPORT = Path(__file__).parents[1] / "support"
# Imports all there is, and trains one real run in a process of its own, whose output goes to its log.
TRAINS = """
import importlib, pkgutil, sys
from pathlib import Path
import yolo_dropout

def main(out):
    for module in pkgutil.walk_packages(yolo_dropout.__path__, "yolo_dropout."):
        if not module.name.endswith(("__main__", ".preload")) and (".ray." not in module.name or "--ray" in sys.argv):
            importlib.import_module(module.name)
    from yolo_dropout.executors import Ended, Job
    from yolo_dropout.executors.local.executor import LocalExecutor
    from yolo_dropout.executors.ultralytics.backend import ULTRALYTICS
    from yolo_dropout.spec.embedded import embedded_path
    from yolo_dropout.spec.runs import plan
    from yolo_dropout.spec.study_spec import StudySpec
    train = {"epochs": 1, "imgsz": 64, "fraction": 0.2, "device": "cpu"}
    data = str(embedded_path("digits-detect/data.yaml"))
    spec = StudySpec(model=str(embedded_path("starter.pt")), data=data, rates=(0, 0.1), seeds=[0], train=train)
    job = Job(plan(spec)[1], spec, Path(out) / "runs" / plan(spec)[1].name)
    for event in LocalExecutor(1).run([job], ULTRALYTICS):
        if isinstance(event, Ended):
            print(event.record.status, event.record.error)

if __name__ == "__main__":
    main(sys.argv[1])
"""


@pytest.fixture(scope="module")
def on_windows(tmp_path_factory):
    return without_posix.environment(tmp_path_factory.mktemp("site"))


def python(environment: dict[str, str], *words: str | Path) -> str:
    words = (sys.executable, *words)
    done = subprocess.run(words, env=environment, capture_output=True, encoding="cp1252", errors="replace", check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_what_is_told_is_missing_is_missing_for_us_alone(on_windows):
    code = "import os\nfrom yolo_dropout.base.platform import os as ours, sys\n"
    code += "print(sys.platform, hasattr(ours, 'fork'), hasattr(os, 'fork'))"
    assert python(on_windows, "-c", code).split() == ["win32", "False", "True"]


def test_a_study_that_is_killed_and_gone_on_with_ends_as_on_linux(on_windows, tmp_path):
    pids = tmp_path / "pids"
    pids.mkdir()
    words, environment = [SUPPORT / "fake_study.py", tmp_path / "study"], on_windows | {"FAKE_PIDS": str(pids)}
    with subprocess.Popen([sys.executable, *words], env=environment, stderr=subprocess.PIPE) as process:
        while process.poll() is None and len(list(pids.iterdir())) < 3:  # so that at least one has ended
            time.sleep(0.02)
        process.kill()
        assert not process.stderr.read()
    while any(alive(int(path.name)) for path in pids.iterdir()):
        time.sleep(0.05)
    before = finished(tmp_path / "study")
    python(environment, *words)
    assert 0 < len(before) < len(SPEC.seeds) * len(SPEC.rates)
    check_nothing_lost(before, tmp_path / "study")
    run_study(SPEC, tmp_path / "linux", executor=LocalExecutor(2), backend=FAKE, publish=publish_tables)
    assert tables(tmp_path / "study") == tables(tmp_path / "linux")
    python(on_windows, "-m", "yolo_dropout", "report", tmp_path / "study")
    assert "yolo-dropout sweep --config" in (tmp_path / "study" / "report.html").read_text(encoding="utf-8")


DIES = "import sys\nfrom yolo_dropout.study import run_study\nfrom yolo_dropout.spec.study_spec import StudySpec\n"
DIES += "run_study(StudySpec(model='m', data='d', rates=(0, 0.1), seeds=2), sys.argv[1])\n"


def test_a_script_that_starts_itself_again_is_told_and_does_not_hang(on_windows, tmp_path):
    (tmp_path / "script.py").write_text(DIES)
    words = [sys.executable, tmp_path / "script.py", tmp_path / "study"]
    done = subprocess.run(words, env=on_windows, capture_output=True, text=True, check=False, timeout=300)
    assert 'start from a script under `if __name__ == "__main__":`' in done.stderr


@pytest.mark.train
def test_all_modules_can_be_imported_and_a_real_run_trains(on_windows, tmp_path):
    (tmp_path / "train.py").write_text(TRAINS)
    words = [tmp_path / "train.py", tmp_path, *(["--ray"] if _has_ray() else [])]
    assert python(on_windows, *words).splitlines()[-1] == "finished None"
    (run,) = (tmp_path / "runs").iterdir()
    assert "1/1" in (run / "train.log").read_text(encoding="utf-8")
    assert (run / "weights" / "best.pt").exists()


def _has_ray() -> bool:
    try:
        import ray  # noqa: F401
    except ImportError:
        return False
    return "YOLO_OFFLINE" in os.environ

"""What the fork server loads is what the parent would load, and changes nothing of what a run draws."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tracker_settings import write_settings

CODE = """
import random
import numpy, torch
random.seed(0), numpy.random.seed(0), torch.manual_seed(0)
def drawn():
    return random.getstate(), numpy.random.get_state()[1:3], torch.get_rng_state()
before = drawn()
import yolo_dropout.executors.ultralytics.preload
after = drawn()
numpy_is_same = (before[1][0] == after[1][0]).all() and before[1][1] == after[1][1]
print(before[0] == after[0], numpy_is_same, torch.equal(before[2], after[2]))
"""


@pytest.mark.soak
def test_preloading_draws_no_random_number(tmp_path):
    environment = os.environ | {"YOLO_CONFIG_DIR": str(write_settings(tmp_path, mlflow=True, raytune=True))}
    words = [sys.executable, "-c", CODE]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "True"]


# A module beside the study's script, or in the working directory; tells what a run's process has loaded or would load.
ASKS = """
import os, sys
from importlib.util import find_spec
from yolo_dropout.executors.local.processes import start, warm_up

def loaded(sender):
    variables = {name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH")}
    sender.send((find_spec("ultralytics").origin, find_spec("polars").origin, variables))

def main():
    if "PRELOADED" in os.environ:
        warm_up([os.environ["PRELOADED"]])
    _, receiver = start(loaded)
    print(*receiver.recv(), sep="\\n")
    print({name: os.environ.get(name) for name in ("PYTHONPATH", "PYTHONSAFEPATH")})

if __name__ == "__main__":
    main()
"""
NOT_THIS = "raise RuntimeError('this is not the installed one')"


def ask(where: Path, *words: str) -> list[str]:
    done = subprocess.run([sys.executable, *words], cwd=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


@pytest.mark.parametrize("own", [None, "{}/more"])
def test_a_clone_in_the_working_directory_is_not_taken(own, tmp_path, monkeypatch):
    # Python 3.10 looks there for the package that takes the working directory out.
    for name in ("ultralytics", "polars", *(["yolo_dropout"] if sys.version_info >= (3, 11) else [])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(NOT_THIS)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "ask.py").write_text(ASKS)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if own:
        monkeypatch.setenv("PYTHONPATH", own.format(tmp_path))
    ultralytics, polars, of_run, of_parent = ask(tmp_path, "scripts/ask.py")
    assert str(tmp_path) not in ultralytics + polars
    assert of_run == of_parent == str({"PYTHONPATH": own and own.format(tmp_path), "PYTHONSAFEPATH": None})


@pytest.mark.parametrize("words", [["scripts/ask.py"], ["-c", "import ask; ask.main()"]])
def test_what_only_the_parent_s_search_path_has_is_taken(words, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    place = tmp_path / "scripts" if "-c" not in words else tmp_path
    place.mkdir(exist_ok=True)
    (place / "ask.py").write_text(ASKS)
    (place / "polars.py").write_text("")
    monkeypatch.setenv("PRELOADED", "polars")
    assert ask(tmp_path, *words)[1] == str(place / "polars.py")


def test_a_spawned_process_has_the_environment_of_its_study(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    spawn_only = "import multiprocessing as m; m.get_all_start_methods = lambda: ['spawn']\n"
    (tmp_path / "ask.py").write_text(spawn_only + ASKS)
    *_, of_run, of_parent = ask(tmp_path, "ask.py")
    assert of_run == of_parent == str({"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": None})


def test_a_folder_for_sockets_that_is_too_long_is_told(tmp_path, monkeypatch):
    place = tmp_path / ("x" * 120)
    place.mkdir()
    words = [sys.executable, "-m", "yolo_dropout", "sweep", "--dry-run"]
    told = subprocess.run(words, env={**os.environ, "TMPDIR": str(place)}, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert told.stderr == f"yolo-dropout: TMPDIR: must be shorter, got {place}; use for instance TMPDIR=/tmp\n"


def test_a_path_in_the_search_path_does_no_harm(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PRELOADED", "yolo_dropout.errors")
    (tmp_path / "ask.py").write_text("import pathlib, sys\nsys.path.insert(0, pathlib.Path('elsewhere'))\n" + ASKS)
    ultralytics, *_ = ask(tmp_path, "ask.py")
    assert ultralytics.endswith("__init__.py")


WARMED_UP = """
import sys
from yolo_dropout.executors.local.processes import start, warm_up
from yolo_dropout.executors.ultralytics.backend import ULTRALYTICS

def loaded(sender):
    sender.send("torch" in sys.modules)

if __name__ == "__main__":
    warm_up({modules})
    _, receiver = start(loaded)
    print(receiver.recv())
"""


@pytest.mark.parametrize(("modules", "loaded"), [("ULTRALYTICS.preload", "True"), ("()", "False")])
def test_a_run_starts_with_what_its_backend_wants_preloaded(modules, loaded, tmp_path):
    (tmp_path / "ask.py").write_text(WARMED_UP.format(modules=modules))
    assert ask(tmp_path, "ask.py") == [loaded]

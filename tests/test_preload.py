"""What the fork server loads is what the parent would load, and changes nothing of what a run draws."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import random
import numpy, torch
random.seed(0), numpy.random.seed(0), torch.manual_seed(0)
def drawn():
    return random.getstate(), numpy.random.get_state()[1:3], torch.get_rng_state()
before = drawn()
import yolo_dropout.executors.preload
after = drawn()
numpy_is_same = (before[1][0] == after[1][0]).all() and before[1][1] == after[1][1]
print(before[0] == after[0], numpy_is_same, torch.equal(before[2], after[2]))
"""


def test_preloading_draws_no_random_number():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "True"]


# What a run's process has loaded, and where it would look next.
ASKS = """
import os, sys
from multiprocessing import Pipe
from yolo_dropout.executors.processes import start

def tell(sender):
    import ultralytics
    sender.send((ultralytics.__file__, sys.path, {n: os.environ.get(n) for n in ("PYTHONPATH", "PYTHONSAFEPATH")}))

if __name__ == "__main__":
    receiver, sender = Pipe(duplex=False)
    start(tell, sender)
    print(*receiver.recv(), sep="\\n")
    print(os.environ.get("PYTHONPATH"), os.environ.get("PYTHONSAFEPATH"))
"""


@pytest.mark.parametrize("own", [None, "{}/more"])
def test_a_clone_of_ultralytics_in_the_working_directory_is_not_taken(own, tmp_path, monkeypatch):
    (tmp_path / "ultralytics").mkdir()
    (tmp_path / "ultralytics" / "__init__.py").write_text("raise RuntimeError('this is not the installed one')")
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "ask.py"
    script.write_text(ASKS)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    if own:
        monkeypatch.setenv("PYTHONPATH", own.format(tmp_path))
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded, path, of_run, of_parent = done.stdout.splitlines()
    assert "site-packages" in loaded
    assert repr(str(script.parent)) in path and "''" not in path
    assert of_run == str({"PYTHONPATH": own and own.format(tmp_path), "PYTHONSAFEPATH": None})
    assert of_parent == f"{own and own.format(tmp_path)} None"

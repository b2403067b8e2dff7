"""What the fork server loads changes nothing of what a run draws."""

from __future__ import annotations

import subprocess
import sys

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

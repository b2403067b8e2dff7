"""`--executor ray`: what is refused, in one line and soon."""

from __future__ import annotations

import time

import pytest

from yolo_dropout.cli import main

SWEEP = ("sweep", "model=m", "data=d")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--executor", "slurm"], "executor: must be local or ray, got 'slurm'"),
        (["--data-in-place"], "data-in-place: goes with --executor ray; add it, or leave this out"),
        (["--executor", "ray", "--cpus-per-run", "1.5"], "cpus-per-run: must be a whole number, or a part of one"),
        (["--executor", "ray", "--cpus-per-run", "0"], "cpus-per-run: 0 needs GPUs or resources"),
        (["--executor", "ray", "--gpus-per-run", "-1"], "gpus-per-run: must be a whole number, or a part of one"),
        (["--executor", "ray", "--ray-resources", "GPU=1"], "ray-resources: must be NAME=N, and no CPU or GPU"),
        (["--executor", "ray", "--ship-limit", "much"], "ship-limit: must be a whole number"),
    ],
)
def test_options_that_break_a_rule_are_told_in_one_line(words, told, tmp_path, capsys):
    assert main([*SWEEP, "--out", str(tmp_path), *words]) == 2
    line = capsys.readouterr().err
    assert line.startswith(f"yolo-dropout: {told}")
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("127.0.0.1:1", "ray-address: 127.0.0.1:1 does not answer"),
        ("here", "ray-address: must be host:port, auto or local, got 'here'"),
        ("nowhere.invalid:6379", "ray-address: nowhere.invalid:6379 does not answer"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_told_soon(address, told, tmp_path, capsys):
    pytest.importorskip("ray", reason="Ray is not installed")
    since = time.monotonic()
    assert main([*SWEEP, "--out", str(tmp_path), "--executor", "ray", "--ray-address", address]) == 2
    assert time.monotonic() - since < 20
    line = capsys.readouterr().err
    assert line.startswith(f"yolo-dropout: {told}")
    assert line.count("\n") == 1

"""The null study trains controls only, goes on where it stopped, and writes one row of scores per seed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import fakes
import pandas as pd
import pytest

from yolo_dropout.executors import Backend

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.append(str(SCRIPTS))
null_study: ModuleType = importlib.import_module("null_study")
pytestmark = pytest.mark.usefixtures("no_pictures")


FAILS = "seed-1-fails"


def train(job, on_epoch):
    """Learn a little; seed 1 fails as long as a file beside the study's folder says so."""
    if job.run.seed == 1 and (job.folder.path.parents[2] / FAILS).exists():
        raise ValueError("no luck")
    head = "epoch,time,train/loss,metrics/accuracy_top1,val/loss"
    rows = [f"{epoch},1,1,{0.1 * epoch:g},{2 + job.run.seed - 0.1 * epoch:g}" for epoch in range(1, 7)]
    job.folder.results.parent.mkdir(parents=True, exist_ok=True)
    job.folder.results.write_text("\n".join([head, *rows]) + "\n")
    return fakes.Outcome((), {}, {})


BACKEND = Backend(fakes.inspect, train)


def asked(folder: Path, seeds: int, jobs: int = 2) -> list[str]:
    return [
        "--seeds",
        f"{seeds}",
        "--jobs",
        f"{jobs}",
        "--out",
        f"{folder / 'runs'}",
        "--table",
        f"{folder / 'null.csv'}",
    ]


def test_failed_run_is_an_empty_row_until_it_is_trained_again(tmp_path, capsys):
    (tmp_path / FAILS).touch()
    assert null_study.main(asked(tmp_path, 3), BACKEND) == 1
    rows = pd.read_csv(tmp_path / "null.csv", index_col="seed")
    assert tuple(rows.columns) == null_study.SCORES
    assert rows.isna().any(axis=1).tolist() == [False, True, False]
    assert rows.loc[0].round(6).tolist() == [1.4, 1.6, 0.6]

    capsys.readouterr()
    (tmp_path / FAILS).unlink()
    assert null_study.main(asked(tmp_path, 3), BACKEND) == 0
    said = capsys.readouterr().out
    assert "seed 1: finished" in said
    assert "seed 0" not in said
    assert "3 of 3 runs finished" in said
    assert len(pd.read_csv(tmp_path / "null.csv").dropna()) == 3


def test_senseless_arguments_are_told_in_one_line(tmp_path, capsys):
    for arguments, says in ((asked(tmp_path, 0), "seeds: "), (asked(tmp_path, 3, jobs=0), "jobs: must be 1 or more")):
        assert null_study.main(arguments, BACKEND) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"null_study: {says}")
        assert error.count("\n") == 1
    assert not (tmp_path / "null.csv").exists()

"""What is told of runs that plain Ultralytics has made."""

from __future__ import annotations

from pathlib import Path

import fakes
import pytest

from yolo_dropout.cli import main


def plain_run(root: Path, rate: float, seed: int, *, acted: bool = True, diverged: bool = False) -> str:
    folder = root / f"train-{rate}-{seed}"
    folder.mkdir()
    (folder / "args.yaml").write_text(f"task: detect\nmodel: m.pt\ndata: d.yaml\ndropout: {rate}\nseed: {seed}\n")
    results = folder / "results.csv"
    fakes.write_results(results, rate if acted else 0.0, seed, 6)
    if diverged:
        *rows, last = results.read_text().splitlines()
        results.write_text("\n".join([*rows, ",".join(["6", *["nan"] * last.count(",")]), ""]))
    return str(folder)


@pytest.mark.parametrize("seeds", [3, 8])
def test_runs_in_which_dropout_did_not_act_decide_nothing(seeds, tmp_path, capsys):
    runs = [plain_run(tmp_path, rate, seed, acted=False) for rate in (0.0, 0.3) for seed in range(seeds)]
    assert main(["report", *runs, "--out", str(tmp_path / "out")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "so nothing was measured. Either dropout did not act, or this score cannot tell" in told
    assert "Rate 0.3 gives the very curves of rate 0.0: dropout did not act in these runs." in told


def test_a_run_that_diverged_is_told(tmp_path, capsys):
    runs = [plain_run(tmp_path, 0.0, seed) for seed in range(3)]
    runs += [plain_run(tmp_path, 0.3, seed, diverged=seed == 1) for seed in range(3)]
    assert main(["report", *runs, "--out", str(tmp_path / "out")]) == 0
    assert "rate 0.3 seed 1: validation loss not finite from epoch 6 on" in capsys.readouterr().out

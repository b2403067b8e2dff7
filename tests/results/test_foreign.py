"""What is told of runs that plain Ultralytics has made."""

from __future__ import annotations

from pathlib import Path

import fakes
import pytest

from yolo_dropout.cli import main

pytestmark = pytest.mark.usefixtures("no_pictures")


def plain_run(
    root: Path, rate: float, seed: int, *, acted: bool = True, diverged: bool = False, epochs: int = 6, more: str = ""
) -> str:
    folder = root / f"train-{rate}-{seed}"
    folder.mkdir()
    (folder / "args.yaml").write_text(f"task: detect\nmodel: m.pt\ndata: d.yaml\ndropout: {rate}\nseed: {seed}\n{more}")
    results = folder / "results.csv"
    fakes.write_results(results, rate if acted else 0.0, seed, epochs)
    if diverged:
        *rows, last = results.read_text().splitlines()
        results.write_text("\n".join([*rows, ",".join(["6", *["nan"] * last.count(",")]), ""]))
    return str(folder)


@pytest.mark.parametrize("seeds", [3, 8])
def test_runs_in_which_dropout_did_not_act_decide_nothing(seeds, tmp_path, capsys):
    runs = [plain_run(tmp_path, rate, seed, acted=False) for rate in (0.0, 0.3) for seed in range(seeds)]
    assert main(["report", *runs, "--out", str(tmp_path / "out")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "so nothing was measured. This score cannot tell" in told
    assert "Rate 0.3 gives the very curves of rate 0.0: dropout did not act in these runs." in told


def test_a_run_that_diverged_is_told(tmp_path, capsys):
    runs = [plain_run(tmp_path, 0.0, seed) for seed in range(3)]
    runs += [plain_run(tmp_path, 0.3, seed, diverged=seed == 1) for seed in range(3)]
    assert main(["report", *runs, "--out", str(tmp_path / "out")]) == 0
    assert "rate 0.3 seed 1: validation loss not finite from epoch 6 on" in capsys.readouterr().out


def test_a_run_that_broke_off_is_left_out_and_told_on_the_terminal(tmp_path, capsys):
    runs = [plain_run(tmp_path, 0.0, seed, epochs=50, more="epochs: 50\n") for seed in range(3)]
    runs += [plain_run(tmp_path, 0.3, seed, epochs=50 - 30 * (seed == 1), more="epochs: 50\n") for seed in range(3)]
    assert main(["report", *runs, "--out", str(tmp_path / "out")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "train-0.3-1: broke off after 20 of 50 epochs and is left out; go on with it: yolo train resume" in told
    assert (tmp_path / "out" / "scores.csv").read_text().splitlines()[2].endswith(",")


def test_where_every_run_with_dropout_broke_off_no_rate_is_said_to_do_harm(tmp_path, capsys):
    runs = [plain_run(tmp_path, 0.0, seed, epochs=50, more="epochs: 50\n") for seed in range(3)]
    runs += [plain_run(tmp_path, 0.3, seed, epochs=20, more="epochs: 50\n") for seed in range(3)]
    assert main(["report", *runs, "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert "harm" not in out
    assert len(err.splitlines()) == 1
    assert "broke off after 20 of 50 epochs" in err


def test_runs_that_all_broke_off_at_one_epoch_are_compared_and_told(tmp_path, capsys):
    runs = [plain_run(tmp_path, rate, seed, more="epochs: 50\n") for rate in (0.0, 0.3) for seed in range(3)]
    assert main(["report", *runs, "--out", str(tmp_path / "out")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "train-0.0-0: broke off after 6 of 50 epochs: what more epochs would show is not known" in told


def test_a_run_that_patience_ended_did_not_break_off(tmp_path, capsys):
    more = "epochs: 50\npatience: 5\n"
    runs = [plain_run(tmp_path, 0.0, seed, epochs=50, more=more) for seed in range(3)]
    runs += [
        plain_run(tmp_path, 0.3, seed, epochs=20, more=more) for seed in range(3)
    ]  # the best epoch is an early one
    assert main(["report", *runs, "--out", str(tmp_path / "out")]) == 0
    assert "broke off" not in capsys.readouterr().out

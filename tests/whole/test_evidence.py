"""What `scripts/evidence.py` says of runs, counted by hand: sign, unit, and what is clear."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from ultralytics import YOLO

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
evidence: ModuleType = importlib.import_module("evidence")


@pytest.fixture
def table():
    """Ten seeds: alone dropout lowers every loss of 4 by about 1, on top of augmentation by nothing."""
    noise = np.random.default_rng(0).normal(0, 0.01, (10, 4))
    scores = {"0.0": 4.0, "0.1": 3.0, "augmentation": 2.0, "dropout and augmentation": 2.0}
    return pd.DataFrame(
        [
            {"family": family, "data": data, "seed": seed, "treatment": name, "score": score, "value": value}
            for family in ("26", "11")
            for data in evidence.SETS
            for score in evidence.TITLES
            for seed in range(10)
            for (name, mean), extra in zip(scores.items(), noise[seed], strict=True)
            for value in [mean + extra if score != "headline" else 0.5 - (mean + extra) / 100]
        ]
    )


def told(found, family, score, question):
    chosen = (found["family"] == family) & (found["score"] == score) & (found["question"] == question)
    return found[chosen & (found["data"] == "fashion-detect")].iloc[0]


def test_losses_are_in_per_cent_of_the_controls_and_map_in_points(table):
    found = evidence.answers(table)
    alone = told(found, "11", "val/loss@last10", "dropout alone")
    assert alone["mean"] == pytest.approx(25, abs=0.5)
    assert alone["low"] < alone["mean"] < alone["high"] < 26
    assert told(found, "26", "val/loss", "augmentation alone")["mean"] == pytest.approx(50, abs=0.5)
    assert told(found, "26", "headline", "dropout alone")["mean"] == pytest.approx(1, abs=0.02)


def test_what_is_clear_survivesholms_correction_within_a_family(table):
    found = evidence.answers(table)
    assert told(found, "26", "val/loss@last10", "dropout alone")["clear"] is True
    assert not told(found, "26", "val/loss@last10", "dropout on top of augmentation")["clear"]
    p = pd.Series([0.01, 0.02, 0.9, 0.03], index=list("abcd"))
    assert evidence.holm(p).to_dict() == pytest.approx({"a": 0.04, "b": 0.06, "d": 0.06, "c": 0.9})


def test_a_run_that_failed_leaves_its_seed_out(table):
    less = table.drop(table[(table["seed"] == 3) & (table["treatment"] == "0.1")].index)
    runs = less[(less["family"] == "26") & (less["data"] == "digits-detect") & (less["score"] == "val/loss")]
    nine = runs[runs["seed"] != 3]
    assert evidence.answer(runs, "dropout alone").p == pytest.approx(evidence.answer(nine, "dropout alone").p, rel=0.2)
    assert np.isfinite(evidence.answer(runs, "dropout alone").low)


def test_the_answers_are_printed_set_by_set_with_a_star_where_they_are_clear(table):
    lines = evidence.printed(evidence.answers(table)).splitlines()
    assert len(lines) == 2 + 4 * (1 + 8)
    assert lines[3].startswith("| YOLO26n | digits-detect | +24.9 (+24.7 to +25.1) * | -0.1 (")
    assert lines[3].count("*") == 1


@pytest.mark.parametrize("family", evidence.FROZEN)
@pytest.mark.parametrize("classify", [False, True])
def test_all_layers_before_the_head_are_frozen(family, classify):
    network = YOLO(f"yolo{family}n{'-cls' if classify else ''}.yaml").model.model
    assert evidence.FROZEN[family][classify] == len(network) - 1


def test_another_family_joins_those_that_the_table_has(table, tmp_path, monkeypatch, capsys):
    def of(made):
        family = made.name.rpartition("-")[2]
        chosen = (table["family"] == family) & (table["data"] == made.name.removesuffix(f"-{family}"))
        return table[chosen].drop(columns=["family", "data"]).to_dict("records")

    monkeypatch.setattr(evidence, "spec", lambda *_: None)
    monkeypatch.setattr(evidence, "run_study", lambda _, made: made)
    monkeypatch.setattr(evidence, "rows", of)
    file = tmp_path / "table.csv"
    for families in (["26"], ["11"], ["26"]):
        assert evidence.main(["--out", str(tmp_path / "out"), "--table", str(file), "--families", *families]) == 0
    assert len(evidence.read(file)) == len(table)
    assert capsys.readouterr().out.splitlines()[-1].startswith("| YOLO26n | fashion-classify |")

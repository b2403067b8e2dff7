"""Other scores of the same runs: which agree with the one that decides, counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from yolo_dropout.folder.results_csv import Results
from yolo_dropout.results.agreement import GAP, ScoreVerdict, agreement, other_scores, score_verdict
from yolo_dropout.results.table import Table, by_block, overfitting_gap, scores
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.score import Score

MAP = "metrics/mAP50-95(B)"
RATES = (0.0, 0.1, 0.3)


def results(losses, maps):
    return Results(np.arange(1, len(losses) + 1), (MAP, "val/loss"), np.column_stack([maps, losses]).astype(float))


def study(shift_by_rate, map_by_rate, seeds=4):
    """Runs whose losses and mAP move by rate; each seed has its own level, and each run a touch of noise."""
    noise = np.random.default_rng(0).normal(0, 0.001, (seeds, len(RATES)))
    return Table(
        {
            Run(seed, str(rate)): results(
                np.array([3, 2, 2.2]) + 0.1 * seed + shift_by_rate[place] + noise[seed, place],
                np.array([0.1, 0.2, 0.4]) + map_by_rate[place] + noise[seed, place],
            )
            for seed in range(seeds)
            for place, rate in enumerate(RATES)
        }
    )


def judged(table, primary="val/loss", alpha=0.05):
    score = Score.parse(primary)
    own = scores(table, score, RATES, sorted({run.seed for run in table.results}))
    first = score_verdict(str(score), "the loss", own, alpha, higher_is_better=score.higher_is_better)
    return first, other_scores(table, by_block(table, overfitting_gap, RATES, own.index), score, own, alpha)


def test_the_standard_scores_are_each_judged_and_the_gap_comes_last():
    _, others = judged(study((0, -1, 0), (0, 0.1, 0)))
    assert [other.key for other in others] == ["val/loss@last5", "val/loss@best", f"{MAP}@max", GAP]
    gains = [other.verdict.comparisons[0].difference for other in others]
    # Last 5 of 3 epochs is their mean; best.pt is the third epoch, whose mAP is highest; both move as all epochs do.
    assert gains[:2] == pytest.approx([1, 1], abs=0.01)
    assert gains[2] == pytest.approx(0.1, abs=0.01)
    assert gains[3] == pytest.approx(0, abs=1e-9)


def test_the_score_that_decides_is_not_repeated_whichever_it_is():
    for primary in ("val/loss", "val/loss@best", MAP):
        _, others = judged(study((0, -1, 0), (0, 0.1, 0)), primary)
        keys = [other.key for other in others]
        assert str(Score.parse(primary)) not in keys
        assert len(keys) == 4


def test_scores_that_all_say_the_same_are_told_so():
    first, others = judged(study((0, -1, 0), (0, 0.1, 0)))
    assert agreement(first, *others) == (
        "All 3 other scores say the same. Only the first score decides: nothing here corrects for looking at several."
    )


def test_a_metric_that_prefers_another_rate_is_named_with_its_rate():
    first, others = judged(study((0, -1, 0), (0, 0, 0.1)))
    assert agreement(first, *others).startswith(
        "2 of 3 other scores say the same. Highest mAP50-95 (boxes): use dropout 0.3. "
        "By the loss rate 0.1 looks best, by highest mAP50-95 (boxes) rate 0.3: ask yourself which"
    )


def test_a_score_in_which_nothing_moved_is_no_agreement():
    first, _ = judged(study((0, -1, 0), (0, 0.1, 0)))
    alike = first.table.apply(lambda column: first.table[0.0])
    assert score_verdict("x", "x", alike, 0.05, higher_is_better=False).verdict is None


def test_with_two_seeds_no_score_is_said_to_decide():
    first, others = judged(study((0, -1, 0), (0, 0.1, 0), seeds=2))
    assert agreement(first, *others) == "With 2 seeds no score can decide."


def test_scores_with_fewer_seeds_that_say_the_same_are_no_dissent():
    first, others = judged(study((0, -1, 0), (0, 0.1, 0), seeds=6))
    fewer = others[0].table.copy()
    fewer.iloc[0] = np.nan
    lesser = score_verdict("x", "x", fewer, 0.05, higher_is_better=False)
    assert lesser.verdict.basis != first.verdict.basis
    assert agreement(first, lesser).startswith("The other score says the same.")


def test_scores_without_any_difference_or_pair_are_no_dissent():
    first, others = judged(study((0, -1, 0), (0, 0.1, 0)))
    flat = score_verdict("x", "x", first.table * 0, 0.05, higher_is_better=False)
    lone = score_verdict("y", "y", first.table.iloc[:, :1], 0.05, higher_is_better=False)
    assert flat.says == lone.says == "nothing to compare"
    assert agreement(first, *others, flat, lone) == agreement(first, *others)
    assert agreement(first, flat) == agreement(first) == ""


def test_runs_without_a_fitness_lack_only_the_score_of_best_pt():
    table = Table(
        {Run(seed, str(rate)): Results(np.array([1]), ("val/loss",), np.array([[1.0 + seed + rate]]))
         for seed in range(3) for rate in RATES}
    )  # fmt: skip
    _, others = judged(table)
    assert [other.key for other in others] == ["val/loss@last5", GAP]


def test_a_score_verdict_goes_through_json():
    first, others = judged(study((0, -1, 0), (0, 0.1, 0)))
    plain = json.loads(json.dumps([other.as_dict() for other in others], allow_nan=False))
    assert plain[2] | {"difference": 0, "low": 0, "high": 0} == {
        "score": f"{MAP}@max",
        "outcome": "use",
        "rate": 0.1,
        "best_nonzero_rate": 0.1,
        "difference": 0,
        "low": 0,
        "high": 0,
    }
    nothing = ScoreVerdict("x", "x", False, first.table, None).as_dict()
    assert set(nothing.values()) == {"x", None}

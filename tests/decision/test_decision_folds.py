"""A cross-validation: one block per fold, however many seeds each fold was trained with."""

from __future__ import annotations

import math

import numpy as np
import pytest

from yolo_dropout.decision import decide
from yolo_dropout.decision.rule import contrast, rule, spread
from yolo_dropout.decision.scores import FloatArray, fold_rows
from yolo_dropout.errors import ScoresError

RATES = (0.0, 0.1)
FOLDS = [0, 1, 2, 0, 1, 2]
LOSSES = np.array([[1.0, 0.9], [2.0, 1.7], [3.0, 2.8], [1.2, 1.3], [2.2, 2.1], [3.4, 3.0]])


def test_a_fold_is_the_mean_of_its_seeds():
    folded = fold_rows(-LOSSES, FOLDS)
    assert -folded.gains == pytest.approx(np.array([[1.1, 1.1], [2.1, 1.9], [3.2, 2.9]]))
    assert (folded.overlap, folded.seeds) == (1 / 2, 2)
    # Controls 1 1.2, 2 2.2, 3 3.4: squares 0.02 + 0.02 + 0.08 over three degrees of freedom.
    assert folded.noise == pytest.approx(math.sqrt(0.12 / 3))


def test_the_verdict_is_that_of_the_means_with_the_overlap():
    folded, means = decide(LOSSES, RATES, folds=FOLDS), fold_rows(-LOSSES, FOLDS)
    by_hand = decide(-means.gains, RATES, folds=[0, 1, 2], relevant=means.noise)
    assert folded.comparisons == by_hand.comparisons
    assert (folded.n_seeds, folded.basis, folded.seeds_needed) == (3, "3 folds x 2 seeds", None)
    assert "over 3 folds x 2 seeds" in folded.reason


def test_a_failed_run_costs_its_own_pair_only():
    scores = LOSSES.copy()
    scores[3, 1] = math.nan
    row = -fold_rows(-scores, FOLDS).gains[0]
    assert row == pytest.approx([1.1, 1.0])  # the control's mean, and the difference of the seed that has both
    assert decide(scores, RATES, folds=FOLDS).n_seeds == 3


def test_the_order_of_rows_changes_no_digit():
    order = [4, 2, 0, 5, 1, 3]
    again = decide(LOSSES[order], RATES, folds=np.array(FOLDS)[order])
    assert again == decide(LOSSES, RATES, folds=FOLDS)


def test_one_seed_takes_the_spread_over_folds_as_what_matters():
    verdict = decide(LOSSES[:3], RATES, folds=FOLDS[:3])
    assert verdict.relevant == pytest.approx(1.0)
    assert verdict.basis == "3 folds x 1 seed"


def test_two_folds_decide_nothing_however_many_seeds_there_are():
    scores = np.tile([[1.0, 0.5], [2.0, 1.4]], (10, 1)) + np.random.default_rng(0).normal(0, 0.01, (20, 2))
    verdict = decide(scores, RATES, folds=[0, 1] * 10)
    assert verdict.outcome == "exploratory"
    assert verdict.reason.startswith("Exploratory: 2 folds x 10 seeds cannot tell")
    assert "with the same folds" in verdict.reason


def drawn(rng: np.random.Generator, folds: int, seeds: int) -> FloatArray:
    """Null scores with the noise of Nadeau and Bengio, all from the images: seeds of a fold repeat each other."""
    shared = rng.normal(size=(1, 1, 5)) * math.sqrt(1 / folds)
    images = rng.normal(size=(folds, 1, 5)) * math.sqrt(1 - 1 / folds)
    return np.asarray((shared + images + 0.1 * rng.normal(size=(folds, seeds, 5))).reshape(-1, 5))


def test_more_seeds_of_the_same_folds_do_not_pass_for_evidence():
    rng, rates, folds = np.random.default_rng(1), (0, 0.1, 0.2, 0.3, 0.5), np.repeat(np.arange(5), 5)
    studies = [drawn(rng, 5, 5) for _ in range(600)]
    one_per_fold = np.mean([decide(scores, rates, folds=folds).outcome == "use" for scores in studies])
    one_per_run = np.mean([rule(contrast(-s, overlap=1 / 4), 0.05, spread(-s[:, 0])).use for s in studies])
    assert one_per_fold <= 0.075  # .05 and two standard errors of 600 studies
    assert one_per_run > 0.1


def test_folds_that_do_not_fit_the_scores_are_told():
    with pytest.raises(ScoresError, match="folds: must have one entry per row"):
        decide(LOSSES, RATES, folds=[0, 1])
    with pytest.raises(ScoresError, match="folds: there must be at least 2, got 1"):
        decide(LOSSES, RATES, folds=[0] * 6)


def test_seeds_that_have_not_been_run_yet_are_not_claimed():
    planned = np.vstack([LOSSES[:3], np.full((3, 2), math.nan)])
    assert decide(planned, RATES, folds=FOLDS).basis == "3 folds x 1 seed"

"""What may be the best of several treatments, and whether a combination is worth its parts; how often that is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from yolo_dropout.decision import decide

NAMES = ["0.0", "0.1", "decay", "both", "mosaic"]
PARTS = {"both": ("0.1", "decay")}


def scores(effects, n_seeds=6, noise=0.05, seed=0):
    """Losses: what a seed has, less a treatment's effect, with noise of each run."""
    rng = np.random.default_rng(seed)
    return 3 + rng.normal(0, 0.3, (n_seeds, 1)) - np.array(effects) + rng.normal(0, noise, (n_seeds, len(effects)))


def test_a_clear_best_is_the_only_candidate():
    verdict = decide(scores([0, 0.1, 0.1, 0.2, 0.6]), NAMES)
    assert verdict.candidates == ("mosaic",)
    assert "With 95 % confidence it is the best of the 5." in verdict.reason


def test_those_that_are_close_stay_together_and_the_control_is_out():
    verdict = decide(scores([0, 0.6, 0.1, 0.6, 0.1]), NAMES)
    assert verdict.candidates == ("0.1", "both")
    assert 'The best of the 5 is among rate 0.1, "both" with 95 % confidence.' in verdict.reason


def test_without_any_difference_nothing_is_said():
    verdict = decide(scores([0] * 5, noise=0.2), NAMES)
    assert verdict.candidates == tuple(NAMES)
    assert "best of the" not in verdict.reason


def test_rates_have_no_candidates_and_their_json_is_as_it_was():
    verdict = decide(scores([0, 0.5, 0.6]), [0, 0.1, 0.3])
    assert verdict.candidates == ()
    assert not {"candidates", "unbeaten"} & verdict.as_dict().keys()


def test_a_combination_that_beats_its_parts_is_worth_them():
    verdict = decide(scores([0, 0.3, 0.3, 0.7, 0]), NAMES, parts=PARTS)
    assert verdict.treatment == "both"
    assert verdict.unbeaten == ()
    assert "It is shown to beat each of its parts alone." in verdict.reason


def test_a_combination_that_owes_all_to_one_part_is_told():
    gains = scores([0, 0.3, 0, 0.43, 0], noise=0.1)  # first by more than a standard error, and not by enough
    verdict = decide(gains, NAMES, parts=PARTS)
    assert verdict.treatment == "both"
    assert verdict.unbeaten == ("0.1",)
    assert "It is not shown to beat rate 0.1 alone, which is simpler." in verdict.reason


@pytest.mark.parametrize("ratio", [1.0, 3.0])
def test_the_best_is_seldom_left_out_also_with_unequal_noise(ratio):
    """Five equal treatments, one of them noisier: any given one is left out in at most 5.5 % of studies and luck."""
    rng, n, out = np.random.default_rng(1), 1000, 0
    for _ in range(n):
        losses = rng.normal(0, 1, (5, 1)) + rng.normal(0, [1, 1, ratio, 1, 1], (5, 5))
        out += "decay" not in decide(losses, NAMES).candidates
    assert out / n <= 0.055 + 2 * np.sqrt(0.055 * 0.945 / n)


def test_a_combination_no_better_than_its_better_part_is_seldom_said_to_beat_it():
    rng, n, false = np.random.default_rng(2), 1000, 0
    for _ in range(n):
        losses = rng.normal(0, 1, (5, 1)) - np.array([0, 3, 0, 3, 0]) + rng.normal(0, 1, (5, 5))
        false += decide(losses, NAMES, parts=PARTS).unbeaten == ()
    assert false / n <= 0.055 + 2 * np.sqrt(0.055 * 0.945 / n)


@pytest.mark.parametrize(("n_seeds", "gain"), [(5, 1.0), (8, 1.0), (5, 2.0)])
def test_what_is_expected_is_nearer_to_the_truth_than_what_was_measured(n_seeds, gain):
    """Of gains that were found, the mean of what is expected is within a sixth of the true one."""
    rng, measured, expected = np.random.default_rng(4), [], []
    for _ in range(1500):
        losses = rng.normal(0, 0.7, (n_seeds, 3)) - np.array([0, gain, 0])
        verdict = decide(losses, [0, 0.1, 0.3])
        if verdict.rate == 0.1:
            measured.append(verdict.comparisons[0].difference)
            expected.append(verdict.expected)
    assert abs(np.mean(expected) / gain - 1) < 1 / 6
    assert gain < 1.5 or abs(np.mean(measured) / gain - 1) < 0.05
    assert gain > 1.5 or np.mean(measured) / gain > 1.1
    assert all(0 <= less <= more for less, more in zip(expected, measured, strict=True))


@pytest.mark.parametrize(
    ("noise", "told"),
    [(0.07, "Expect about 0.0826: gains"), (0.09, "It was only just found: the likeliest gain, given that, is 0.")],
)
def test_a_gain_that_was_only_just_found_is_told_so(noise, told):
    control = np.array([3.0, 3.1, 2.9, 3.2, 2.8])
    spread = np.array([1, -1, 1, -1, 0])
    verdict = decide(np.column_stack([control, control - 0.1 + noise * spread]), [0, 0.1])
    assert verdict.outcome == "use"
    assert told in verdict.reason


def test_a_gain_below_what_matters_is_excluded_or_not_as_one_asks():
    losses = scores([0, 0.02, -0.02], n_seeds=12, noise=0.03)
    assert decide(losses, [0, 0.1, 0.3], relevant=0.3).outcome == "keep"
    assert decide(losses, [0, 0.1, 0.3], relevant=0.001).outcome == "undecided"


def test_four_sentences_are_the_most():
    rng = np.random.default_rng(3)
    for _ in range(200):
        losses = rng.normal(0, 1, (4, 1)) + rng.normal(0, 2, 5) + rng.normal(0, 0.5, (4, 5))
        assert decide(losses, NAMES, parts=PARTS).reason.replace(". ", ".\n").count("\n") <= 3

"""The verdict on scores whose answer can be counted by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from yolo_dropout.decision import decide
from yolo_dropout.decision.rule import contrast, degrees_of_freedom, rule, spread
from yolo_dropout.errors import ScoresError

NAN = math.nan
# Seeds in rows; columns are rates 0, 0.1, 0.2 and 0.4. Losses: 0.1 gains 1, 0.2 gains 1.004, 0.4 harms.
CLEAR = np.array(
    [
        [3.00, 2.01, 2.00, 4.00],
        [3.50, 2.49, 2.50, 4.52],
        [2.80, 1.80, 1.78, 3.79],
        [3.20, 2.21, 2.21, 4.20],
        [3.10, 2.09, 2.09, 4.11],
    ]
)
RATES = (0.0, 0.1, 0.2, 0.4)


def test_one_rate_is_the_one_sided_paired_t_test():
    verdict = decide([[3, 2], [5, 3], [4, 1]], [0.0, 0.1])
    (only,) = verdict.comparisons
    # Gains 1, 2, 3: mean 2, variance 1; t = 2 / sqrt(1/3) on 2 degrees of freedom; t(.95) = 2.9200.
    assert only.difference == pytest.approx(2)
    assert only.low == pytest.approx(2 - 2.91999 / math.sqrt(3), abs=1e-4)
    assert only.high == pytest.approx(2 + 2.91999 / math.sqrt(3), abs=1e-4)
    assert only.p == pytest.approx(0.03709, abs=1e-4)
    assert (verdict.outcome, verdict.rate, verdict.decided) == ("use", 0.1, True)


def test_variance_of_a_rate_is_its_own_but_not_below_that_of_lower_rates():
    steady, noisy, noisier = [1.0, 2, 3], [0.0, 3, 6], [0.0, 4, 8]  # sums of squares 2, 18 and 32
    rising = contrast(np.array([[0.0] * 3, steady, noisy, noisier]).T)
    assert rising.error == pytest.approx([math.sqrt(v / 3) for v in (1, 9, 16)])
    falling = contrast(np.array([[0.0] * 3, noisy, steady, noisier]).T)
    assert falling.error == pytest.approx([math.sqrt(v / 3) for v in (5, 5, 16)])
    assert falling.df.tolist() == [2, 2, 2]
    wild = contrast(np.array([[0.0] * 3, [0.0, 30, 60], steady, steady]).T)  # 900 and twice 1: half of the first
    assert wild.error == pytest.approx([math.sqrt(v / 3) for v in (450, 902 / 3, 902 / 3)])


def test_what_a_rate_without_runs_would_have_changes_nothing_and_more_seeds_count_for_more():
    nan = math.nan
    lone, noisy = [1.0, 3, nan, nan], [0.0, 3, 6, 3]  # sums of squares 2 of two seeds, 18 of four
    found = contrast(np.array([[0.0] * 4, noisy, lone, [nan] * 4]).T)
    assert found.error[:2] == pytest.approx([math.sqrt(5 / 4), math.sqrt(5 / 2)])  # (18 + 2) / (3 + 1)
    assert math.isnan(found.error[2])
    assert found.df.tolist() == [3, 1, 0]


def test_variance_of_a_named_treatment_is_the_own_one_drawn_towards_the_mean():
    gains = np.array([[0.0, 1, 0], [0, 2, 3], [0, 3, 6]])
    found = contrast(gains, ordered=False)
    # Sums of squares 2 and 18: mean variance (1 + 9) / 2 = 5, which counts thrice: (3 * 5 + 2) / 5 = 3.4.
    assert found.difference.tolist() == [2, 3]
    assert found.error == pytest.approx([math.sqrt(3.4 / 3), math.sqrt(6.6 / 3)])
    # The mean of two variances that correlate at 1/4 varies 5/8 as much as one; it makes 3/5, the own one 2/5.
    assert found.df == pytest.approx([2 / (0.6**2 * 5 / 8 + 2 * 0.6 * 0.4 * 5 / 8 + 0.4**2)] * 2)


def test_where_scores_tie_limits_are_wider_by_half_a_step():
    gains = np.array([[0.0, 1], [0, 2], [0, 4]])
    apart, tied = contrast(gains), contrast(np.vstack([gains, [[0.0, 4]]]))
    assert apart.slack.tolist() == [0]
    assert tied.slack.tolist() == [1 / (2 * 4)]
    plain = rule(tied._replace(slack=np.zeros(1)), 0.05, np.nan)
    wider = rule(tied, 0.05, np.nan)
    assert (plain.low - wider.low).tolist() == pytest.approx([1 / 8])
    assert (wider.high - plain.high).tolist() == pytest.approx([1 / 8])
    (only,) = decide([[-g for g in row] for row in np.vstack([gains, [[0.0, 4]]])], [0, 0.1]).comparisons
    assert only.p > stats.ttest_1samp([1, 2, 4, 4], 0, alternative="greater").pvalue


def test_rates_that_are_named_in_another_order_are_not_taken_to_rise():
    scores = [row[:1] + row[:0:-1] for row in CLEAR.tolist()]
    turned, named = decide(scores, ["0.0", "0.4", "0.2", "0.1"]), decide(scores, ["0.0", "c", "b", "a"])
    assert [c.low for c in turned.comparisons] == [c.low for c in named.comparisons]


def test_accuracies_as_they_are_printed_tie_all_the_same():
    exact = np.array([[10, 11], [10, 12], [11, 12], [9, 12], [10, 11]]) / 30
    assert contrast(exact.round(5)).slack == pytest.approx(contrast(exact).slack, rel=0.01)
    assert contrast(exact).slack.tolist() == pytest.approx([1 / 30 / (2 * 5)])


def test_a_steady_rate_among_noisy_ones_needs_the_seeds_that_its_own_noise_asks_for():
    noise = np.array([[-1.0, 1, 1], [1, -1, 1], [0, 1, -1], [1, 0, -1], [-1, -1, 0]])
    steady = [[0, 0.06 + 0.1 * own, high, low, high - low] for own, high, low in noise]
    alone = decide([[-x for x in row[:2]] for row in steady], (0, 0.1), relevant=0.01).seeds_needed
    among = decide([[-x for x in row] for row in steady], (0, 0.1, 0.2, 0.3, 0.4), relevant=0.01).seeds_needed
    assert alone < among < 8 * alone  # by the noise of now it would take thousands


def test_one_rate_has_the_degrees_of_freedom_of_a_paired_t_test():
    assert degrees_of_freedom(7, 1) == 6


def test_lowest_rate_within_one_standard_error_of_the_best_is_used():
    verdict = decide(CLEAR, RATES)
    best = max(verdict.comparisons, key=lambda c: c.difference or 0)
    assert best.rate == 0.2
    assert (verdict.outcome, verdict.rate) == ("use", 0.1)


def test_best_rate_is_used_when_the_lower_one_gains_clearly_less():
    scores = CLEAR.copy()
    scores[:, 1] += 0.5
    assert decide(scores, RATES).rate == 0.2


def test_harm_is_said_of_the_rate_that_does_it():
    assert [c.worse for c in decide(CLEAR, RATES).comparisons] == [False, False, True]
    assert [c.better for c in decide(CLEAR, RATES).comparisons] == [True, True, False]


def test_every_rate_worse_means_keep():
    verdict = decide(CLEAR[:, [0, 3]], [0.0, 0.4])
    assert (verdict.outcome, verdict.rate, verdict.decided) == ("keep", 0.0, True)


def test_keep_needs_every_interval_to_exclude_a_relevant_gain():
    scores = [[3.0, 3.01, 2.99], [3.5, 3.49, 3.52], [2.8, 2.79, 2.81], [3.2, 3.21, 3.2]]
    verdict = decide(scores, [0, 0.1, 0.2])
    assert verdict.outcome == "keep"
    assert verdict.relevant == pytest.approx(np.std([3, 3.5, 2.8, 3.2], ddof=1))
    assert max(c.high or 0 for c in verdict.comparisons) <= verdict.relevant
    assert decide(scores, [0, 0.1, 0.2], relevant=0.01).outcome == "undecided"


def test_noise_without_effect_is_undecided_and_says_how_many_seeds_would_help():
    scores = [[3.0, 2.0, 3.5], [2.0, 2.6, 1.5], [2.5, 1.4, 2.9], [2.2, 2.4, 2.6]]
    verdict = decide(scores, [0, 0.1, 0.2])
    assert (verdict.outcome, verdict.decided) == ("undecided", False)
    assert verdict.seeds_needed is not None
    assert verdict.seeds_needed > 4


def test_fewer_seeds_settle_a_rate_when_a_larger_gain_matters():
    scores = [[3.0, 2.9], [2.0, 2.2], [2.5, 2.2], [2.2, 2.3]]
    few, many = (decide(scores, [0, 0.1], relevant=relevant) for relevant in (0.25, 0.2))
    # Gains 0.1, -0.2, 0.3, -0.1 leave 0.225 or 0.175 to be told from zero at an sd of 0.222.
    assert few.outcome == many.outcome == "undecided"
    assert 4 < (few.seeds_needed or 0) < (many.seeds_needed or 0) < 20


def test_fewer_than_three_seeds_are_exploratory_but_two_have_an_interval():
    one, two = decide(CLEAR[:1], RATES), decide(CLEAR[:2], RATES)
    assert (one.outcome, two.outcome) == ("exploratory", "exploratory")
    assert (one.comparisons[0].low, one.comparisons[0].p, one.detectable) == (None, None, None)
    assert two.comparisons[0].low is not None
    assert one.seeds_needed == 3


def test_failed_run_costs_its_pair_and_nothing_else():
    scores = CLEAR.copy()
    scores[2, 3] = NAN
    verdict = decide(scores, RATES)
    assert [c.n for c in verdict.comparisons] == [5, 5, 4]
    assert verdict.comparisons[0].difference == decide(CLEAR, RATES).comparisons[0].difference
    assert verdict.comparisons[2].difference == pytest.approx(np.mean([-1.0, -1.02, -1.0, -1.01]))


def test_failed_control_costs_the_whole_block():
    scores = CLEAR.copy()
    scores[0, 0] = NAN
    verdict = decide(scores, RATES)
    assert verdict.n_seeds == 4
    assert [c.n for c in verdict.comparisons] == [4, 4, 4]


def test_rate_without_any_run_does_not_stand_in_the_way():
    scores = np.column_stack([CLEAR, np.full(5, NAN)])
    verdict = decide(scores, (*RATES, 0.6))
    assert verdict.rate == 0.1
    assert verdict.comparisons[-1].difference is None
    assert decide(scores[:, [0, 3, 4]], [0.0, 0.4, 0.6]).outcome == "keep"


def test_rate_with_two_runs_is_neither_used_nor_ruled_out():
    scores = CLEAR[:, [0, 3, 1]].copy()
    scores[2:, 2] = NAN
    verdict = decide(scores, [0.0, 0.4, 0.5])
    assert verdict.comparisons[1].n == 2
    assert verdict.outcome == "undecided"


def test_equal_scores_measure_nothing():
    assert decide(np.full((5, 3), 0.4), [0, 0.1, 0.2]).outcome == "undecided"
    assert decide(np.zeros((5, 3)), [0, 0.1, 0.2]).outcome == "undecided"


def test_accuracies_that_tie_are_judged_like_any_other_scores():
    counted = np.array([[110, 111, 110], [112, 113, 110], [110, 111, 110]]) / 200
    verdict = decide(counted, [0, 0.1, 0.2], higher_is_better=True)
    gain, tie = verdict.comparisons
    assert gain.difference == pytest.approx(1 / 200)
    # The variance of the first is 0, but a step of accuracy is known no better than to half of it.
    assert gain.low < 0 < gain.high
    assert tie.difference == pytest.approx(-2 / 3 / 200)


@pytest.mark.parametrize(("seeds", "outcome"), [(3, "undecided"), (5, "use")])
def test_one_image_more_for_every_seed_is_a_step_and_not_a_gain_without_noise(seeds, outcome):
    control = np.array([110, 112, 109, 111, 113])[:seeds, None]
    counted = np.concatenate((control, control + 1), axis=1) / 200
    assert decide(counted, [0, 0.1], higher_is_better=True).outcome == outcome


def test_correlation_tells_how_much_pairing_helps():
    assert decide(CLEAR, RATES).correlation == pytest.approx(1, abs=1e-2)
    assert decide(np.ones((3, 2)), [0, 0.1]).correlation is None


def test_detectable_gain_shrinks_with_more_seeds():
    twice = np.vstack([CLEAR, CLEAR])
    assert (decide(twice, RATES).detectable or 9) < (decide(CLEAR, RATES).detectable or 0)


def test_smaller_alpha_widens_every_interval():
    loose, strict = decide(CLEAR, RATES, alpha=0.1), decide(CLEAR, RATES, alpha=0.01)
    for a, b in zip(loose.comparisons, strict.comparisons, strict=True):
        assert (b.low or 0) < (a.low or 0) < (a.high or 0) < (b.high or 0)


def test_overlap_of_folds_widens_by_nadeau_and_bengio():
    plain, folded = contrast(-CLEAR), contrast(-CLEAR, overlap=0.25)
    assert folded.error == pytest.approx(plain.error * math.sqrt((1 / 5 + 1 / 4) / (1 / 5)))
    assert folded.df.tolist() == plain.df.tolist()
    wide = decide(CLEAR, RATES, folds=range(5)).comparisons[0]
    narrow = decide(CLEAR, RATES).comparisons[0]
    assert (wide.low or 9) < (narrow.low or 0)
    assert wide.difference == narrow.difference


def test_verdict_goes_through_json():
    plain = json.loads(json.dumps(decide(CLEAR[:1], RATES).as_dict(), allow_nan=False))
    assert plain["outcome"] == "exploratory"
    assert plain["decided"] is False
    assert plain["comparisons"][0]["rate"] == 0.1
    assert plain["comparisons"][0]["p"] is None


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_many_studies_at_once_get_the_outcome_that_decide_gives_each(missing: float):
    rng = np.random.default_rng(4)
    gains = rng.normal(size=(120, 5, 4)) + np.array([0, 0.5, 1.5, -1])
    gains[rng.random(gains.shape) < missing] = NAN
    found = contrast(gains)
    ruling = rule(found, 0.05, spread(gains[..., 0]))
    for i, study in enumerate(gains):
        verdict = decide(study, RATES, higher_is_better=True)
        assert (verdict.outcome == "use") == ruling.use[i]
        assert (verdict.outcome == "keep") == ruling.keep[i]
        assert (verdict.outcome == "exploratory") == (not ruling.judged[i])
        if ruling.use[i]:
            assert verdict.rate == RATES[1 + ruling.chosen[i]]
        lows = [NAN if c.low is None else c.low for c in verdict.comparisons]
        assert lows == pytest.approx(ruling.low[i].tolist(), nan_ok=True)


@pytest.mark.parametrize("alpha", [0.2, 0.07, 0.0001, 0.49])
def test_the_only_look_has_the_full_level(alpha):
    verdict = decide(CLEAR, RATES, alpha=alpha, looks=(len(CLEAR),))
    assert {c.level for c in verdict.comparisons} == {alpha}
    planned = decide(CLEAR, RATES, alpha=alpha, looks=(len(CLEAR), 12))
    assert {c.level < alpha for c in planned.comparisons} == {True}


def test_looks_hold_the_number_of_seeds():
    with pytest.raises(ScoresError, match=f"looks: must rise and hold {len(CLEAR)}, the number of seeds, got"):
        decide(CLEAR, RATES, looks=(2, 12))

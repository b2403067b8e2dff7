"""Add seeds until it is clear: looks, spending, dropping."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from yolo_dropout.decision import decide, next_step, planned_looks
from yolo_dropout.decision.levels import nominal_levels, spent
from yolo_dropout.decision.rule import Contrasts
from yolo_dropout.decision.sequential import worth_more
from yolo_dropout.errors import ScoresError

RATES = (0.0, 0.1, 0.2, 0.4)
NOISE = np.random.default_rng(1).normal(size=(12, 4))


def losses(*shifts: float) -> np.ndarray:
    return NOISE + np.array([0.0, *shifts])


def test_looks_end_with_the_most_seeds():
    assert planned_looks(3) == (3,)
    assert planned_looks(6) == (3, 4, 5, 6)
    assert planned_looks(40) == (*range(3, 31), 40)


def test_one_look_is_the_fixed_design():
    assert nominal_levels((6,), 0.05) == pytest.approx((0.05,))
    three = losses(-9, 0, 0)[:3]
    decision, verdict = next_step(three, RATES, max_seeds=3), decide(three, RATES)
    assert decision.verdict.rate == verdict.rate
    ours, fixed = decision.verdict.comparisons[0], verdict.comparisons[0]
    assert (ours.low, ours.high, ours.p) == pytest.approx((fixed.low, fixed.high, fixed.p))


def test_two_looks_spend_alpha_together():
    first, second = nominal_levels((5, 10), 0.05)
    assert first == pytest.approx(0.05 * 0.5**2.5)
    bounds = stats.norm.isf([first, second])
    stay = stats.multivariate_normal(cov=[[1, math.sqrt(0.5)], [math.sqrt(0.5), 1]]).cdf(bounds)
    assert stay == pytest.approx(0.95, abs=1e-4)


def test_levels_rise_to_less_than_alpha():
    levels = nominal_levels(planned_looks(30), 0.05)
    assert list(levels) == sorted(levels)
    assert 0 < levels[0] < levels[-1] < 0.05
    assert spent(planned_looks(30), 0.05)[-1] == pytest.approx(0.05)


def test_large_gain_stops_with_a_verdict_at_the_first_looks():
    decision = next_step(losses(-20, 0, 0)[:3], RATES)
    assert decision.stop
    assert (decision.verdict.outcome, decision.verdict.rate) == ("use", 0.1)
    assert (decision.active, decision.next_seeds) == ((), 3)


def test_rate_that_cannot_gain_what_matters_is_dropped_and_the_control_stays():
    decision = next_step(losses(-2.5, 5, 6)[:3], RATES)
    assert not decision.stop
    assert decision.active == ("0.0", "0.1")
    assert decision.next_seeds == 4
    assert decision.verdict.reason.endswith("More seeds are due, which the study adds by itself.")


def test_rate_that_trails_the_best_by_more_than_a_standard_error_is_dropped():
    three = np.full(3, 3)
    found = Contrasts(three, np.array([2.5, 2.0, 1.3]), np.ones(3), np.asarray(3), np.full(3, 6.0), np.zeros(1))
    none = np.zeros(3, dtype=bool)
    going = [worth_more(found, np.array(active, dtype=bool), none).tolist() for active in ([1, 1, 1], [0, 1, 1])]
    assert going == [[True, True, False], [False, True, True]]


def test_a_noisy_rate_that_leads_by_luck_drops_no_steady_one():
    error, df, slack = np.array([0.1, 1.0]), np.full(2, 6.0), np.zeros(1)
    found = Contrasts(np.full(2, 3), np.array([0.3, 2.0]), error, np.asarray(2), df, slack)
    assert worth_more(found, np.ones(2, dtype=bool), np.zeros(2, dtype=bool)).tolist() == [True, True]


def test_rates_trail_only_one_that_is_ahead_of_the_control():
    found = Contrasts(np.full(2, 3), np.array([2.7, 0.1]), np.ones(2), np.asarray(2), np.full(2, 4.0), np.zeros(1))
    assert worth_more(found, np.ones(2, dtype=bool), np.zeros(2, dtype=bool)).tolist() == [True, True]


def test_rate_without_a_gain_that_matters_gets_no_more_seeds():
    found = Contrasts(np.full(2, 3), np.array([0.1, 0.2]), np.ones(2), np.asarray(2), np.full(2, 4.0), np.zeros(1))
    assert worth_more(found, np.ones(2, dtype=bool), np.array([True, False])).tolist() == [False, True]


def test_rate_with_two_blocks_drops_no_other():
    found = Contrasts(np.array([2, 3]), np.array([9.0, 1.6]), np.ones(2), np.asarray(2), np.full(2, 4.0), np.zeros(1))
    assert worth_more(found, np.array([True, True]), np.zeros(2, dtype=bool)).tolist() == [True, True]


def test_dropped_rate_keeps_the_level_of_its_last_look():
    scores = losses(-2.5, 5, 6)
    scores[3:, 2:] = math.nan
    later = next_step(scores[:5], RATES).verdict
    fixed = decide(scores[:5], RATES, alpha=nominal_levels(planned_looks(12), 0.05)[0])
    assert later.comparisons[1].low == pytest.approx(fixed.comparisons[1].low)
    assert later.comparisons[0].low > fixed.comparisons[0].low


def test_dropped_rate_stays_dropped_whatever_it_does_later():
    scores = losses(-2.5, 5, 6)
    honest = scores.copy()
    honest[3:, 2:] = math.nan
    scores[3:, 2:] -= 100
    assert next_step(scores[:5], RATES) == next_step(honest[:5], RATES)


def test_study_goes_on_until_it_may_say_keep():
    """Where nothing helps, it does not stop as long as more seeds can show that."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(12, 1)) + np.array([0, 0.1, 0.1, 0.1]) + rng.normal(size=(12, 4)) / 2
    steps = [next_step(scores[:n], RATES) for n in range(3, 13)]
    ended = next(step for step in steps if step.stop)
    assert (ended.verdict.outcome, ended.next_seeds) == ("keep", 7)
    assert [step.verdict.outcome for step in steps[:4]] == ["undecided"] * 4


def test_study_that_dropped_by_another_rule_is_judged_by_what_it_ran():
    """Its third rate was dropped after three seeds, and that must not end it there."""
    scores = losses(-1.2, -1.0, -1.1)[:9].copy()
    scores[3:, 3] = math.nan
    followed = next_step(scores, RATES, as_run=True)
    assert followed.verdict.n_seeds == 9
    assert followed.verdict.comparisons[2].n == 3
    assert next_step(scores, RATES).verdict.comparisons[2].n == 3


def test_rate_that_was_excluded_stays_so():
    # At three seeds the control's noise is large, and so is the gain that matters; later it is not.
    scores = np.array([[3.0, 3.01], [9.0, 9.01], [0.0, 0.0], *([3.0, 2.7], [3.0, 3.3]) * 2])
    assert decide(scores[:3], [0, 0.1], alpha=0.0016).outcome == "keep"
    assert next_step(scores, [0, 0.1]) == next_step(scores[:3], [0, 0.1])


def test_last_look_always_stops():
    scores = losses(-1, -0.5, 0)
    decisions = {n: next_step(scores[:n], RATES, max_seeds=5) for n in (3, 4, 5)}
    assert {n: (d.stop, d.next_seeds) for n, d in decisions.items()} == {3: (False, 4), 4: (False, 5), 5: (True, 5)}


def test_study_that_should_have_stopped_gets_the_decision_of_that_look():
    scores = losses(-20, 0, 0)
    assert next_step(scores, RATES) == next_step(scores[:3], RATES)


def test_limits_hold_over_all_looks_and_p_compares_with_alpha():
    scores = losses(-2, 0, 0)[:3]
    wide, narrow = next_step(scores, RATES).verdict, decide(scores, RATES)
    for a, b in zip(wide.comparisons, narrow.comparisons, strict=True):
        assert a.low < b.low
        assert a.p >= b.p
        assert (a.low > 0) == (a.p < wide.alpha)
    assert wide.alpha == 0.05


def test_failed_runs_do_not_end_a_study():
    scores = losses(0, 0, 0)[:3].copy()
    scores[:] = math.nan
    scores[0, 0] = 3.0
    decision = next_step(scores, RATES)
    assert not decision.stop
    assert decision.active == tuple(map(str, RATES))


def test_rate_with_two_finished_runs_is_not_given_up():
    scores = losses(-2.5, 5, 6)[:3].copy()
    scores[1, 3] = math.nan
    assert next_step(scores, RATES).active == ("0.0", "0.1", "0.4")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"max_seeds": 2}, "max_seeds: must be 3 or more, got 2"), ({"alpha": 0.7}, "alpha: must be in")],
)
def test_senseless_plans_are_told_in_one_line(options, said):
    with pytest.raises(ScoresError, match=said):
        next_step(NOISE[:4], RATES, **options)


def test_fewer_seeds_than_the_first_look_takes_are_told():
    with pytest.raises(ScoresError, match="scores: the first look needs 3 seeds, got 2"):
        next_step(NOISE[:2], RATES)

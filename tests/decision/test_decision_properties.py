"""What must hold for any scores."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from yolo_dropout.decision import Verdict, decide

RATES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)


@st.composite
def studies(draw: st.DrawFn, missing: bool = True) -> np.ndarray:
    """Scores of shape (n_seeds, n_rates) with an effect per rate, seed effects and missing runs."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    seeds, rates = draw(st.integers(1, 8)), draw(st.integers(2, 6))
    effect = draw(st.floats(0, 3)) * rng.normal(size=rates)
    scores = rng.normal(size=(seeds, rates)) + effect + 2 * rng.normal(size=(seeds, 1))
    if missing:
        scores[rng.random(scores.shape) < draw(st.sampled_from([0, 0, 0.2]))] = math.nan
    if np.isnan(scores).all():
        scores[0, 0] = 1.0
    return scores


def judged(scores: np.ndarray, **options: bool) -> Verdict:
    return decide(scores, RATES[: scores.shape[1]], **options)


@given(studies(), st.randoms(use_true_random=False))
def test_order_of_seeds_changes_no_digit(scores, random):
    rows = list(range(len(scores)))
    random.shuffle(rows)
    assert judged(scores[rows]) == judged(scores)


@given(studies(), st.randoms(use_true_random=False))
def test_order_of_rates_changes_no_digit(scores, random):
    columns = list(range(scores.shape[1]))
    random.shuffle(columns)
    assert decide(scores[:, columns], [RATES[j] for j in columns]) == judged(scores)


@given(studies())
def test_turned_sign_with_turned_direction_changes_nothing_but_words(scores):
    loss, gain = judged(scores).as_dict(), judged(-scores, higher_is_better=True).as_dict()
    loss.pop("reason"), gain.pop("reason")
    assert loss == gain


@given(studies(), st.sampled_from([-64.0, -1.0, 0.5, 16.0]), st.sampled_from([2.0**-12, 0.5, 8.0, 2.0**20]))
def test_shift_and_scale_leave_the_outcome(scores, shift, scale):
    one, other = judged(scores), judged(scores * scale + shift)
    assert (one.outcome, one.rate, one.seeds_needed) == (other.outcome, other.rate, other.seeds_needed)


@given(studies())
def test_rate_is_used_only_with_three_pairs_and_a_positive_lower_limit(scores):
    verdict = judged(scores)
    if verdict.outcome == "use":
        chosen = next(c for c in verdict.comparisons if c.rate == verdict.rate)
        assert chosen.n >= 3
        assert chosen.low > 0
        assert chosen.p <= verdict.alpha
    else:
        assert verdict.rate == 0.0


@given(studies())
def test_interval_and_p_say_the_same(scores):
    for c in judged(scores).comparisons:
        if c.low is not None:
            assert c.low <= c.difference <= c.high
        if c.judged:
            assert (c.low > 1e-9) <= (c.p <= 0.05)
            assert (c.p < 0.05 - 1e-9) <= (c.low > 0)
        else:
            assert c.p is None


@given(studies())
def test_seed_effects_cancel(scores):
    lifted = scores + 4.0 * np.arange(len(scores))[:, None]
    one, other = judged(scores), judged(lifted)
    for a, b in zip(one.comparisons, other.comparisons, strict=True):
        assert (a.low is None) == (b.low is None)
        if a.low is not None:
            assert np.isclose(a.low, b.low, atol=1e-9)


@settings(max_examples=50)
@given(studies(missing=False))
def test_reason_has_at_most_four_sentences_and_no_nan(scores):
    reason = judged(scores).reason
    assert 1 <= sum(reason.count(end) for end in (". ",)) + 1 <= 4
    assert reason.endswith(".")
    assert "nan" not in reason
    assert "None" not in reason

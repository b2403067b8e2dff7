"""The reason: what to do, how sure that is, what it would take to know more; in every branch."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from yolo_dropout.decision import decide

SEED = np.array([3.0, 3.5, 2.8, 3.2, 3.1])[:, None]
JITTER = np.array([[0.01, -0.02, 0.0], [-0.01, 0.01, 0.02], [0.02, 0.0, -0.02], [-0.02, 0.01, 0.01], [0.0, 0.0, -0.01]])
BASE = np.hstack([SEED, SEED + JITTER])
RATES = (0.0, 0.1, 0.2, 0.4)


def moved(*shifts: float) -> np.ndarray:
    """Losses in which rate j moves by shifts[j]; positive is worse."""
    return BASE + np.array([0.0, *shifts])


def lone_run(scores: np.ndarray) -> np.ndarray:
    lone = scores.copy()
    lone[1:, 1] = math.nan
    return lone


CASES = {
    "use the best": (
        moved(-1, 0, 0),
        {},
        r"^Use dropout=0.1: it lowered the val/loss by 1 on average over 5 seeds, and by at least 0\.9\d+ with 95 % "
        r"confidence, corrected for all 3 rates\. About 20 seeds in all would halve that uncertainty\.$",
    ),
    "use, though less than what matters": (
        moved(-0.1, 0, 2),
        {},
        r"^Use dropout=0.1: it lowered the val/loss by 0\.1 .* all 3 rates\. On average that is less than 0\.2\d+, the "
        r"size that matters here\. Rate 0\.4 did harm\.$",
    ),
    "use a lower rate, with harm": (
        moved(-1, -1.005, 2),
        {},
        r"^Use dropout=0.1: .* Rate 0.2 lowered the val/loss by 1, but that is within one standard error, so the "
        r"lower rate is enough\. Rate 0.4 did harm\. About 20 seeds",
    ),
    "use, while a noisier rate looks better": (
        # By chance the third rate did better on average, but nothing shows that it is better at all.
        np.column_stack([moved(-2, 0, 0)[:, :3], SEED[:, 0] - [5.5, -0.5, 4.9, -0.2, 2.8]]),
        {},
        r"^Use dropout=0.1: .* Rate 0.4 looks better still, but is not shown to beat 0\.0\. About 20 seeds",
    ),
    "use, folds": (
        moved(-1, 0, 0),
        {"folds": range(5)},
        r"over 5 folds x 1 seed, .* and for overlapping folds\. .* it takes more images\.$",
    ),
    "keep, no gain that matters": (
        moved(0.003, 0.02, 0.01),
        {},
        r"^Keep dropout off \(0\.0\): over 5 seeds no rate beat it, and gains above 0\.\d+, the size that matters "
        r"here, are excluded, with 95 % confidence, corrected for all 3 rates\. Rate 0\.1 came closest: it raised "
        r"the val/loss by 0\.003 .*Gains below about 0\.\d+ are too small for 5 seeds to find reliably\. Four times",
    ),
    "keep, all harm but one that never ran": (
        np.column_stack([moved(1, 2, 3)[:, :3], np.full(5, math.nan)]),
        {},
        r"^Keep dropout off \(0\.0\): over 5 seeds every rate that ran did harm, with 95 %",
    ),
    "keep, all harm": (moved(1, 2, 3), {}, r"^Keep dropout off \(0\.0\): over 5 seeds every rate did harm, with 95 %"),
    "keep, folds": (moved(1, 2, 3), {"folds": range(5)}, r"^Keep .* More seeds narrow that as far as seed noise goes"),
    "undecided": (
        moved(-0.005, 0, 0),
        {"relevant": 0.006},
        r"^Undecided, so keep 0\.0 for now: over 5 seeds no rate is shown to beat it, but a gain that matters "
        r"\(0\.006 or more\) cannot be excluded either\. Rate 0\.1 looks best: .* About \d+ seeds would settle it "
        r"in about four studies of five, if its mean and noise stay as they are; take new ones in a new study, "
        r"since adding to seeds that were looked at makes false finds two to three times as likely\.$",
    ),
    "undecided, with harm": (moved(-0.005, 0, 2), {"relevant": 0.006}, r"^Undecided.* Rate 0\.4 did harm\. About"),
    "undecided for good": (moved(0, 0, 0), {"relevant": 1e-6}, r"the gain is too small for the noise"),
    "undecided, runs missing": (
        lone_run(moved(0, 1, 1)),
        {},
        r"^Undecided.* but rate 0\.1 had too few finished runs to be judged\. .*Finish at least 3 runs",
    ),
    "two rates with two runs each claim nothing": (
        moved(5, -5, -5)[:2],
        {},
        r"^Exploratory: 2 seeds cannot tell (?!.*did harm)",
    ),
    "gains and losses that cancel out": (
        np.column_stack([[1.0, 2, 3], [2.0, 1, 3], [1.0, 2, 3], [1.0, 2, 3]]),
        {},
        r"^Undecided(?!.*nothing was measured)",
    ),
    "a control that never moves": (
        np.column_stack([np.full(5, 0.5), 0.5 + (SEED - SEED.mean()) * [0.1, 2, 2]]),
        {},
        r"^Undecided.* but a gain that matters cannot be excluded either\.",
    ),
    "nothing measured": (np.full((3, 4), 0.5), {}, r"^Undecided.* the same val/loss, so nothing was measured"),
    "nothing acted": (np.tile(SEED, 4), {}, r"^Undecided.* the same val/loss.* This score cannot tell"),
    "use, of the rates that ran": (
        np.column_stack([moved(-1, 0, 0)[:, :3], np.full(5, math.nan)]),
        {},
        r"^Use dropout=0.1: .* with 95 % confidence, corrected for the 2 rates that could be compared\. ",
    ),
    "exploratory": (
        moved(-1, 0, 0)[:1],
        {},
        r"^Exploratory: 1 seed cannot tell .* Rate 0\.1 looks best: it lowered the val/loss by 0\.99 on average\. A "
        r"verdict needs at least 3 finished runs",
    ),
    "exploratory, two seeds": (moved(-1, 0, 0)[:2], {}, r"^Exploratory: 2 seeds .*\(improvement between"),
    "exploratory, no pair": (
        np.array([[1.0, math.nan, math.nan, math.nan]]),
        {},
        r"^Exploratory: no seed has a finished run of 0\.0 beside another, so nothing can be compared\.$",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_reason_says_what_holds_in_at_most_four_sentences(case: str):
    scores, options, said = CASES[case]
    reason = decide(scores, RATES, score_name="val/loss", **options).reason
    assert re.search(said, reason), reason
    assert len(re.findall(r"\.(?=\s|$)", reason)) <= 4
    assert not re.search(r"\bnan\b|None", reason)


def test_improvement_of_a_score_that_should_rise_is_said_to_raise_it():
    reason = decide(-moved(-1, 0, 0), RATES, higher_is_better=True, score_name="mAP50-95").reason
    assert reason.startswith("Use dropout=0.1: it raised the mAP50-95 by 1 on average")


def test_confidence_follows_alpha():
    assert "with 90 % confidence" in decide(moved(-1, 0, 0), RATES, alpha=0.1).reason


def test_a_single_rate_is_corrected_for_nothing():
    assert "corrected" not in decide(moved(-1, 0, 0)[:, :2], RATES[:2]).reason


def test_runs_that_equal_the_control_s_decide_nothing_however_many_there_are():
    verdict = decide(np.tile(SEED, 4), RATES)
    assert verdict.outcome == "undecided" and not verdict.moved
    assert verdict.detectable is None and verdict.seeds_needed is None


def test_what_would_settle_it_is_more_than_there_is():
    fewer = moved(-0.3, 0, 0)
    fewer[3:, 1] = math.nan
    fewer[:3, 1] += [0.3, -0.3, 0.0]
    verdict = decide(fewer, RATES, relevant=0.4)
    assert verdict.outcome == "undecided"
    assert verdict.seeds_needed > verdict.n_seeds == 5


def test_a_rate_with_two_pairs_is_shown_nowhere_beside_judged_ones():
    scores = moved(0.001, -3, 0)
    scores[2:, 2] = math.nan
    verdict = decide(scores, RATES)
    assert [c.rate for c in verdict.shown] == [0.1, 0.4] and verdict.best.rate != 0.2
    assert verdict.comparisons[1].p is None
    assert decide(scores[:2], RATES).shown == decide(scores[:2], RATES).comparisons

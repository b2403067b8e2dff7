"""What `decide` refuses, with one line that names the field, the rule, the value and the way out."""

from __future__ import annotations

import math
from typing import Any

import pytest

from yolo_dropout.decision import decide
from yolo_dropout.errors import ScoresError

GOOD = [[3.0, 2.9], [3.1, 3.0], [2.9, 2.8]]


@pytest.mark.parametrize(
    ("scores", "rates", "said"),
    [
        ([[3.0, 2.9], [3.1]], [0, 0.1], "scores: must be numbers in full rows"),
        ([["a", "b"]], [0, 0.1], "scores: must be numbers in full rows"),
        ([], [0, 0.1], "scores: must have shape"),
        ([[], []], [0, 0.1], "scores: must have shape"),
        ([1.0, 2.0], [0, 0.1], "scores: must have shape"),
        (GOOD, [0, 0.1, 0.2], r"scores: must have shape \(n_seeds, 3\).*got shape \(3, 2\)"),
        ([[math.nan, math.nan]], [0, 0.1], "scores: must hold at least one finished run"),
        ([[3.0, math.inf]], [0, 0.1], "scores: must be finite, or NaN.*got inf in row 0 at rate 0.1.*diverged"),
        ([[3.0], [2.9]], [0], "rates: need the control 0.0 and at least one other"),
        (GOOD, [0.1, 0.2], r"rates: the control 0.0 must be among them, got \[0.1, 0.2\]"),
        (GOOD, [0, 0], "rates: each may appear once"),
        (GOOD, [0, 1.5], r"rates: each must be in \[0, 1\), got 1.5"),
        (GOOD, [0, math.nan], r"rates: each must be in \[0, 1\), got nan"),
        (GOOD, [[0, 0.1]], "rates: must be a flat list"),
        (GOOD, [0, "x"], "rates: must be numbers"),
    ],
)
def test_unusable_scores_are_told_in_one_line(scores: Any, rates: Any, said: str):
    with pytest.raises(ScoresError, match=said) as error:
        decide(scores, rates)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"alpha": 0}, r"alpha: must be in \(0, 0.5\), got 0"),
        ({"alpha": 0.5}, "alpha: must be in"),
        ({"alpha": math.nan}, "alpha: must be in"),
        ({"relevant": 0.0}, "relevant: must be a finite gain above 0, got 0.0"),
        ({"relevant": math.inf}, "relevant: must be"),
    ],
)
def test_senseless_options_are_told_in_one_line(option: dict[str, float], said: str):
    with pytest.raises(ScoresError, match=said):
        decide(GOOD, [0, 0.1], **option)

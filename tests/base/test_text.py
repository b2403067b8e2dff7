"""Numbers, rates and durations as people write them."""

from __future__ import annotations

import pytest

from yolo_dropout.base.text import duration, number, rate_text


def test_rates_and_numbers_are_written_as_people_do():
    assert [rate_text(rate) for rate in (0.0, 0.05, 0.1)] == ["0.0", "0.05", "0.1"]
    assert number(2.6, [2.6, None, 2.59, 3.2]) == "2.600"
    assert number(2.6049) == "2.6"
    assert number(-0.001, [-0.001, 5.0]) == "0.00"
    assert number(None) == number(float("nan")) == "–"


def test_values_far_from_one_another_keep_the_digits_of_the_small_ones():
    among = [2.65, 0.398, 5003.2, 0.0]
    assert [number(value, among) for value in among] == ["2.65", "0.40", "5003", "0.00"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (0.2, "1 s"), (48, "48 s"), (89, "89 s"), (120, "2 min"), (720, "12 min"), (3599, "1 h 00 min"),
     (5400, "1 h 30 min"), (7199, "2 h 00 min"), (11100, "3 h 05 min"), (200000, "2.3 days")],
)  # fmt: skip
def test_durations_carry_their_minutes(seconds: float | None, words: str):
    assert duration(seconds) == words

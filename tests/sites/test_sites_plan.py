from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yolo_dropout.errors import SpecError
from yolo_dropout.sites import Dropout

SCHEDULES = st.sampled_from(["constant", "linear"]) | st.builds(
    "{}:{}".format, st.sampled_from(["early", "late"]), st.integers(1, 200)
)


def rates(schedule: str, epochs: int) -> list[float]:
    plan = Dropout(0.4, schedule=schedule)
    return [round(plan.rate_at(epoch, epochs), 6) for epoch in range(epochs)]


def test_constant_is_the_rate_in_every_epoch() -> None:
    assert rates("constant", 3) == [0.4, 0.4, 0.4]


def test_linear_goes_from_zero_in_the_first_epoch_to_the_rate_in_the_last() -> None:
    assert rates("linear", 5) == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_linear_with_one_epoch_is_the_rate() -> None:
    assert rates("linear", 1) == [0.4]


def test_early_falls_linearly_to_zero_within_its_epochs() -> None:
    assert rates("early:4", 6) == [0.4, 0.3, 0.2, 0.1, 0.0, 0.0]


def test_late_is_zero_and_then_the_rate() -> None:
    assert rates("late:2", 4) == [0.0, 0.0, 0.4, 0.4]


@given(SCHEDULES, st.floats(0, 0.99), st.integers(1, 300), st.data())
def test_a_schedule_stays_between_zero_and_the_rate(
    schedule: str, rate: float, epochs: int, data: st.DataObject
) -> None:
    epoch = data.draw(st.integers(0, epochs - 1))
    assert 0.0 <= Dropout(rate, schedule=schedule).rate_at(epoch, epochs) <= rate


@given(SCHEDULES, st.integers(1, 300))
def test_a_schedule_that_passes_the_check_acts_in_some_epoch(schedule: str, epochs: int) -> None:
    plan = Dropout(0.3, schedule=schedule)
    try:
        plan.check_epochs(epochs)
    except SpecError:
        assert int(schedule.partition(":")[2]) >= epochs
    else:
        assert max(plan.rate_at(epoch, epochs) for epoch in range(epochs)) > 0


@pytest.mark.parametrize("rate", [1.0, 1.5, -0.1, float("nan"), float("inf"), "abc", None, True])
def test_a_rate_outside_zero_to_one_is_refused(rate: object) -> None:
    with pytest.raises(SpecError, match=r"^dropout: the rate must be a number in \[0, 1\), got "):
        Dropout(rate)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "schedule", ["", "cosine", "early", "early:", "early:0", "late:-1", "early:1.5", None, "late:²"]
)
def test_an_unknown_schedule_is_refused(schedule: object) -> None:
    with pytest.raises(SpecError, match=r"^schedule: must be one of constant, linear, early:N, late:N"):
        Dropout(0.1, schedule=schedule)  # type: ignore[arg-type]


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(SpecError, match=r"^kind: must be one of auto, dropout, .* got 'spatial'"):
        Dropout(0.1, kind="spatial")


@pytest.mark.parametrize("where", ["", "model.(", None, 3])
def test_a_place_that_is_no_text_or_no_regular_expression_is_refused(where: object) -> None:
    with pytest.raises(SpecError, match=r"^where: "):
        Dropout(0.1, where=where)  # type: ignore[arg-type]


def test_dropout_that_starts_after_the_last_epoch_is_refused() -> None:
    with pytest.raises(SpecError, match=r"late:N needs N below epochs=5, got 'late:5'"):
        Dropout(0.1, schedule="late:5").check_epochs(5)


def test_the_control_may_have_any_schedule() -> None:
    Dropout(0.0, schedule="late:5").check_epochs(5)

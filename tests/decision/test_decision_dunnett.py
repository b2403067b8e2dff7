"""Dunnett's critical values against the published table (one-sided)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from yolo_dropout.decision.levels import critical_value, tail_probability


@pytest.mark.parametrize(
    ("alpha", "df", "published"),
    [
        (0.05, 5, (2.02, 2.44, 2.68, 2.85, 2.98)),
        (0.05, 10, (1.81, 2.15, 2.34, 2.47, 2.56)),
        (0.05, 20, (1.72, 2.03, 2.19, 2.30, 2.39)),
        (0.01, 10, (2.76, 3.11, 3.31, 3.45, 3.56)),
    ],
)
def test_critical_values_are_those_of_dunnetts_table(alpha: float, df: int, published: tuple[float, ...]):
    values = [critical_value(alpha, n_rates, df, correlation=0.5) for n_rates in range(1, 6)]
    assert values == pytest.approx(published, abs=0.006)


@pytest.mark.parametrize("df", [1, 2, 3.7, 30])
def test_one_rate_is_students_t(df: float):
    statistics = np.array([-1.0, 0.0, 2.0, 6.0])
    assert tail_probability(statistics, 1, df) == pytest.approx(stats.t.sf(statistics, df), abs=1e-5)


def test_tail_at_the_critical_value_is_alpha():
    assert tail_probability(critical_value(0.03, 4, 7.5), 4, 7.5) == pytest.approx(0.03, abs=1e-9)


def test_very_small_levels_and_degrees_of_freedom_have_a_value():
    assert math.isfinite(critical_value(1e-4, 5, 1))

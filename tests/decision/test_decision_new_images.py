"""Limits on new images: by hand, and how often they hold in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from yolo_dropout.decision.new_images import on_images


def test_the_limits_are_those_of_crossed_random_effects_counted_by_hand():
    rng = np.random.default_rng(1)
    table = 0.5 + rng.normal(0, 0.1, (4, 1)) + rng.normal(0, 1.0, (1, 9)) + rng.normal(0, 0.3, (4, 9))
    found = on_images(table, level=0.025)
    rows, columns = table.mean(1), table.mean(0)
    of_rows = 9 * ((rows - table.mean()) ** 2).sum() / 3
    of_columns = 4 * ((columns - table.mean()) ** 2).sum() / 8
    rest = sum((table[i, j] - rows[i] - columns[j] + table.mean()) ** 2 for i in range(4) for j in range(9)) / 24
    same = stats.t.ppf(0.975, 3) * np.sqrt(of_rows / 36)
    assert found.difference == pytest.approx(table.mean())
    assert found.same == pytest.approx((table.mean() - same, table.mean() + same))
    total = of_rows + of_columns - rest
    df = total**2 / (of_rows**2 / 3 + of_columns**2 / 8 + rest**2 / 24)
    new = stats.t.ppf(0.975, df) * np.sqrt(total / 36)
    assert found.new == pytest.approx((table.mean() - new, table.mean() + new))


@pytest.mark.parametrize(("seeds", "images"), [(3, 8), (5, 16), (8, 50)])
def test_limits_hold_on_new_images_as_often_as_they_say(seeds, images):
    rng, held, only_seeds, n = np.random.default_rng(0), 0, 0, 600
    for _ in range(n):
        table = rng.normal(0, 0.1, (seeds, 1)) + rng.normal(0, 1, (1, images)) + rng.normal(0, 0.5, (seeds, images))
        found = on_images(table, level=0.025)
        held += found.new[0] <= 0 <= found.new[1]
        only_seeds += found.same[0] <= 0 <= found.same[1]
    assert 0.92 < held / n < 0.98
    assert only_seeds / n < 0.8, "what counts seeds alone says too much"


def test_where_images_add_nothing_seeds_decide_and_few_of_either_say_nothing():
    table = np.repeat(np.array([[1.0], [2.0], [3.5]]), 8, axis=1)
    assert on_images(table).new == pytest.approx(on_images(table).same)
    assert np.isnan(on_images(table[:, :7]).new).all() and not np.isnan(on_images(table[:, :7]).same).any()
    assert np.isnan([on_images(table[:2]).new, on_images(table[:2]).same]).all()
    assert on_images(np.zeros((3, 8))).new == (0.0, 0.0)


def test_limits_on_new_images_never_come_closer_than_on_the_same_ones():
    rng = np.random.default_rng(0)
    for _ in range(50):
        found = on_images(rng.normal(0, 1, (3, 1)) + rng.normal(0, 1, (1, 8)) + rng.normal(0, 1, (3, 8)))
        assert found.new[0] <= found.same[0] <= found.difference <= found.same[1] <= found.new[1]

"""Figures of runs under shift: paired differences and what is marked, counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from yolo_dropout.report.figures.maps import MOST_ROWS, by_class, by_corruption, paired_gains
from yolo_dropout.report.figures.shift import by_severity

LOSS = "val/loss"


def measured(gain, seeds=4, **more):
    """Loss under fog is lower by `gain` with 0.1, give or take a little; under rain it is the same."""
    rows = [
        (
            rate,
            seed,
            corruption,
            severity,
            LOSS,
            3.0 + severity + seed - gain * (rate > 0) * (corruption == "fog") + noise,
        )
        for rate in (0.0, 0.1)
        for seed in range(seeds)
        for corruption, severity in (("none", 0), ("fog", 1), ("fog", 3), ("rain", 1))
        for noise in [0.01 * (rate > 0) * (-1) ** seed]
    ]
    table = pd.DataFrame(rows, columns=["rate", "seed", "corruption", "severity", "metric", "value"])
    return table.assign(**more)


def test_gains_are_paired_by_seed_and_p_values_corrected_for_all_cells():
    gains, p = paired_gains(measured(0.5), LOSS)
    assert gains.index.to_list() == ["none", "fog", "rain"]
    assert gains[0.1].tolist() == pytest.approx([0, 0.5, 0])
    raw = stats.ttest_1samp(np.array([0.49, 0.51, 0.49, 0.51]), 0.0).pvalue
    assert p.loc["fog", 0.1] == pytest.approx(3 * raw)
    assert p.loc[["none", "rain"], 0.1].tolist() == [1.0, 1.0]


def test_nothing_is_marked_for_two_seeds_or_folds():
    assert paired_gains(measured(0.5, seeds=2), LOSS)[1] is None
    assert paired_gains(measured(0.5, fold=0), LOSS)[1] is None


def test_the_map_marks_what_differs_and_the_lines_start_at_the_clean_score():
    texts = [text.get_text() for text in by_corruption(measured(0.5), LOSS).axes[0].texts]
    assert [text for text in texts if "*" in text] == [next(text for text in texts if text.startswith("0.5"))]
    ax = by_severity(measured(0.5), LOSS).axes[0]
    control, other = ax.get_lines()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["clean", "1", "3"]
    assert control.get_ydata().tolist() == pytest.approx([4.5, 5.5, 7.5])
    assert other.get_ydata().tolist() == pytest.approx([4.5, 5.25, 7.0])


def test_the_map_by_class_shows_those_that_differ_most_and_corrects_for_all():
    classes = [f"class {i}" for i in range(MOST_ROWS + 10)]
    rows = [
        (rate, seed, name, LOSS, 2.0 - 0.01 * i * (rate > 0) + 0.001 * seed * (rate > 0))
        for rate in (0.0, 0.1)
        for seed in range(4)
        for i, name in enumerate(classes)
    ]
    figure = by_class(pd.DataFrame(rows, columns=["rate", "seed", "class", "metric", "value"]), LOSS)
    told = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert told == [f"{name} (2.00)" for name in classes[10:]]
    assert f"all {len(classes)} cells" in figure.texts[-1].get_text()


def by_class_rows(rows):
    return pd.DataFrame(rows, columns=["rate", "seed", "class", "metric", "value"])


def test_a_class_that_few_runs_hold_has_a_row_and_one_called_none_keeps_its_name():
    rows = [(rate, 0, name, LOSS, 2.0 - rate) for rate in (0.0, 0.1, 0.2) for name in ("none", "car")]
    figure = by_class(by_class_rows([*rows, (0.2, 0, "rare", LOSS, 1.0)]), LOSS)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["none (2.00)", "car (2.00)", "rare"]

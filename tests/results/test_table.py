"""Curves, scores and the summary, counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from yolo_dropout.folder.results_csv import Results
from yolo_dropout.results.table import Table, by_block, curves, overfitting_gap, read_table, score_of, scores, summary
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.score import Score

METRICS = ("metrics/mAP50-95(B)", "val/loss")


def results(losses, fitness=None):
    fitness = fitness or [0.1 * (epoch + 1) for epoch in range(len(losses))]
    return Results(np.arange(1, len(losses) + 1), METRICS, np.column_stack([fitness, losses]).astype(float))


TABLE = Table(
    {Run(0, "0.0"): results([3, 1, 2, 4]), Run(0, "0.5"): results([3, 2, 2, 2]), Run(1, "0.0"): results([5, 3, 4, 6])}
)


def test_curves_are_tidy():
    frame = curves(TABLE, (0.0, 0.5))
    assert list(frame.columns) == ["rate", "seed", "epoch", "metric", "value"]
    assert len(frame) == 3 * 4 * 2
    picked = frame[(frame.rate == 0) & (frame.seed == 1) & (frame.metric == "val/loss")]
    assert picked.epoch.tolist() == [1, 2, 3, 4]
    assert picked.value.tolist() == [5, 3, 4, 6]


def test_curves_of_nothing_are_empty():
    assert curves(Table({}), (0.0,)).empty


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (Score("val/loss", "min"), 1),
        (Score("val/loss", "max"), 4),
        (Score("val/loss", "last"), 4),
        (Score("val/loss", "last", 3), 7 / 3),
        (Score("val/loss", "best"), 4),
        (Score("metrics/mAP50-95(B)", "max"), 0.4),
    ],
)
def test_a_score_is_one_number_of_the_curve(score, expected):
    assert score_of(results([3, 1, 2, 4]), score) == pytest.approx(expected)


def test_a_training_that_diverged_has_no_last_loss_but_a_minimum():
    diverged = results([3, 2, math.nan, math.inf])
    assert score_of(diverged, Score("val/loss", "min")) == 2
    assert math.isnan(score_of(diverged, Score("val/loss", "last")))
    assert math.isnan(score_of(results([math.nan, math.inf]), Score("val/loss", "min")))


def test_scores_have_a_row_per_seed_and_nan_where_a_run_is_missing():
    frame = scores(TABLE, Score(), [0.0, 0.5], [0, 1])
    assert frame.index.tolist() == [0, 1]
    assert frame.columns.tolist() == [0.0, 0.5]
    assert frame.loc[0].tolist() == [1, 2]
    assert frame.loc[1, 0.0] == 3
    assert math.isnan(frame.loc[1, 0.5])


def summarised(table, *blocks):
    return summary(table, scores(table, Score(), *blocks), by_block(table, overfitting_gap, *blocks))


def test_summary_by_hand():
    frame = summarised(TABLE, [0.0, 0.5], [0, 1]).set_index("rate")
    control = frame.loc[0.0]
    assert control["n"] == 2
    assert control["mean"] == 2  # minima 1 and 3
    assert control["sd"] == pytest.approx(math.sqrt(2))
    assert control["low"] == pytest.approx(2 - 12.7062, abs=1e-3)  # t(0.975, 1) = 12.7062, sd / sqrt(2) = 1
    assert control["epoch"] == 2
    assert control["gap"] == 3  # 4 - 1 and 6 - 3
    assert control["metric"] == "metrics/mAP50-95(B)"
    assert control["metric_mean"] == pytest.approx(0.4)
    assert math.isnan(frame.loc[0.5, "sd"])  # one seed has no interval, not a zero-wide one


def test_the_gap_is_zero_when_the_last_epoch_is_the_best():
    assert overfitting_gap(results([3, 2, 1])) == 0
    assert overfitting_gap(results([0.3, 0.1 + 0.2])) == 0  # rounding is no overfitting


def test_a_run_that_diverges_at_the_end_has_no_gap():
    assert math.isnan(overfitting_gap(results([3, 2, math.inf])))


def test_a_run_that_cannot_be_read_is_told_and_left_out(tmp_path):
    table = read_table({Run(0, "0.0"): tmp_path / "results.csv"})
    assert table.results == {}
    assert "the run is left out" in table.notes[0]


FOLDED = Table({Run(seed, str(rate), fold): results([9, 1 + seed + 10 * fold + rate])
                for seed in (0, 1) for fold in (0, 1) for rate in (0.0, 0.5)})  # fmt: skip


def test_folds_add_a_column_and_an_index_level_only_where_there_are_some():
    frame = curves(FOLDED, (0.0, 0.5))
    assert list(frame.columns) == ["rate", "seed", "fold", "epoch", "metric", "value"]
    assert frame[["rate", "seed", "fold"]].drop_duplicates().to_numpy().tolist()[:4] == [
        [0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1],
    ]  # fmt: skip
    table = scores(FOLDED, Score(), [0.0, 0.5], [0, 1], 2)
    assert table.index.names == ["seed", "fold"]
    assert table[0.0].to_dict() == {(0, 0): 1, (0, 1): 9, (1, 0): 2, (1, 1): 9}


def test_the_interval_of_a_mean_over_folds_is_corrected_for_their_overlap():
    table = Table({Run(0, "0.0", fold): results([9, loss]) for fold, loss in enumerate((1, 2, 3))})
    row = summarised(table, [0.0], [0], 3).iloc[0]
    assert (row["n"], row["mean"], row["sd"]) == (3, 2, 1)
    assert row["high"] - row["mean"] == pytest.approx(4.302653 * math.sqrt(1 / 3 + 1 / 2))


def test_the_minimum_of_a_running_mean_is_not_that_of_a_single_epoch():
    found = results([4, 1, 4, 2.5, 2.5, 2.5, math.nan])
    assert score_of(found, Score.parse("val/loss@min")) == 1
    assert score_of(found, Score.parse("val/loss@min3")) == pytest.approx(2.5)
    assert math.isnan(score_of(found, Score.parse("val/loss@min99")))

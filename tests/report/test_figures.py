"""Figures say what the tables hold: read back from the matplotlib objects."""

from __future__ import annotations

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from report_samples import make_report
from synthetic_study import make_curves, make_scores, make_verdict

from yolo_dropout.report.figures import figures_of
from yolo_dropout.report.figures.lines import loss_components, metric_curves, validation_loss
from yolo_dropout.report.figures.rates import overfitting_gap, rate_response
from yolo_dropout.report.figures.render import to_png, to_svg
from yolo_dropout.report.figures.runs import frame, spread
from yolo_dropout.report.figures.series import by_run, loss_parts, means_of, paired_means
from yolo_dropout.report.figures.style import colours
from yolo_dropout.report.notebook import study_html
from yolo_dropout.spec.score import Score


def tidy(values: dict[tuple[float, int], list[float]], metric: str = "val/loss") -> pd.DataFrame:
    rows = [
        (rate, seed, epoch, metric, value)
        for (rate, seed), curve in values.items()
        for epoch, value in enumerate(curve, 1)
    ]
    return pd.DataFrame(rows, columns=["rate", "seed", "epoch", "metric", "value"])


def texts(figure: Figure) -> list[str]:
    own = [text.get_text() for text in figure.texts]
    return [" ".join(text.split()) for text in (*own, *(text.get_text() for ax in figure.axes for text in ax.texts))]


def title(figure: Figure) -> str:
    return figure.texts[0].get_text().replace("\n", " ")


HAND = tidy({(0.0, 0): [3, 2, 4], (0.0, 1): [5, 4, 4], (0.2, 0): [4, 1, 2], (0.2, 1): [4, 3, 2]})
VERDICT = make_verdict(make_scores(HAND), rate=0.2)
GAPS = pd.DataFrame({0.0: [2.0, 0.0], 0.2: [1.0, 0.0]}, index=[0, 1])


def test_mean_is_taken_only_where_every_seed_has_a_value():
    curves = tidy({(0.0, 0): [3, 2, 1], (0.0, 1): [5, 4]})
    assert means_of(by_run(curves, "val/loss"))[0.0].tolist()[:2] == [4, 3]
    assert np.isnan(means_of(by_run(curves, "val/loss"))[0.0].iloc[2])


def test_infinite_values_leave_a_gap_and_never_a_number():
    curves = tidy({(0.0, 0): [3, np.inf, 1]})
    assert np.isnan(by_run(curves, "val/loss")[0.0, 0].iloc[1])


@pytest.mark.parametrize(
    ("score", "words"),
    [
        ("val/loss@min", "lowest validation loss"),
        ("metrics/mAP50-95(B)@max", "highest mAP50-95 (boxes)"),
        ("metrics/accuracy_top1@last5", "top-1 accuracy at the end (last 5 epochs)"),
        ("val/loss@best", "validation loss of best.pt"),
        ("metrics/a\x1b[31m@max", "highest a?[31m"),
    ],
)
def test_scores_are_named_in_words(score: str, words: str):
    assert Score.parse(score).words == words


def test_components_leave_out_losses_that_are_always_zero_and_the_total():
    assert loss_parts(make_curves()) == ["val/box_loss", "val/cls_loss", "val/l1_loss"]
    assert loss_parts(make_curves(task="classify")) == []


def test_validation_loss_draws_every_mean_and_every_seed_and_marks_the_minimum():
    (ax,) = validation_loss(HAND, VERDICT).axes
    drawn = {tuple(line.get_ydata()) for line in ax.lines}
    assert {(4.0, 3.0, 4.0), (4.0, 2.0, 2.0)} <= drawn
    assert {(3.0,), (2.0,)} <= drawn, "minima of the means"
    (faint,) = ax.collections
    assert sorted(tuple(path.vertices[:, 1]) for path in faint.get_paths()) == [
        (3, 2, 4), (4, 1, 2), (4, 3, 2), (5, 4, 4),
    ]  # fmt: skip


def test_validation_loss_says_how_the_control_runs_and_not_which_rate_looks_best():
    said = "Without dropout, validation loss is lowest at epoch 2 (3.00) and ends at 4.00"
    assert title(validation_loss(HAND, VERDICT)) == said
    falling = tidy({(0.3, 0): [3, 2, 1]})
    assert (
        title(validation_loss(falling, VERDICT)) == "At rate 0.3, validation loss is lowest at the end of training: 1"
    )
    nothing = tidy({(0.0, 0): [np.inf, np.nan]})
    assert title(validation_loss(nothing, VERDICT)) == "No finite validation loss in any run"


def test_means_are_paired_where_runs_are_missing():
    # The rate has only the lucky seed: it is worse there, so it must not look better than the control.
    scores = pd.DataFrame({0.0: [2.0, 4.0], 0.1: [2.5, np.nan], 0.2: [1.0, 3.0]}, index=[0, 1])
    assert paired_means(scores) == {0.0: 3.0, 0.1: 3.5, 0.2: 2.0}
    curves = tidy({(0.0, 0): [2, 1], (0.0, 1): [4, 3], (0.1, 0): [2.5, 2]})
    assert means_of(by_run(curves, "val/loss"))[0.1].tolist() == [3.5, 3.0]
    assert any("Runs are missing" in text for text in texts(validation_loss(curves, VERDICT)))
    assert not any("Runs are missing" in text for text in texts(validation_loss(HAND, VERDICT)))


def test_paired_means_take_the_seeds_of_a_fold_together():
    index = pd.MultiIndex.from_tuples([(0, 0), (1, 0), (0, 1)], names=["seed", "fold"])
    scores = pd.DataFrame({0.0: [1.0, 1.0, 4.0], 0.1: [2.0, np.nan, 4.0]}, index=index)
    assert paired_means(scores)[0.1] == 2.0 + 0.5


def test_every_rate_is_named_at_its_line():
    assert {"0.0 (control)", "0.2"} <= set(texts(validation_loss(HAND, VERDICT)))


def test_metric_curves_mark_the_highest_point():
    figure = metric_curves(tidy({(0.0, 0): [0.1, 0.4, 0.3]}, "metrics/mAP50-95(B)"), "metrics/mAP50-95(B)")
    assert title(figure) == "Without dropout, mAP50-95 (boxes) is highest at epoch 2 (0.400) and ends at 0.300"


def test_components_say_which_part_overfits():
    box = tidy({(0.0, 0): [2.0, 1.0, 1.1]}, "val/box_loss")
    cls = tidy({(0.0, 0): [2.0, 1.0, 1.5]}, "val/cls_loss")
    assert title(loss_components(pd.concat([box, cls]))) == (
        "Without dropout, cls loss rises most after its minimum: by 50%"
    )


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("use", "Use dropout 0.1: lowest validation loss better by"),
        ("keep", "Keep dropout at 0.0"),
        ("undecided", "Undecided with 5 seeds"),
        ("exploratory", "Exploratory: 5 seeds cannot decide"),
    ],
)
def test_rate_response_says_the_verdict_in_words(outcome: str, words: str):
    scores = make_scores(make_curves())
    assert title(rate_response(scores, Score(), make_verdict(scores, outcome))).startswith(words)


@pytest.mark.parametrize(("outcome", "marks"), [("use", 1), ("keep", 1), ("undecided", 0)])
def test_only_a_decided_rate_is_marked_as_chosen(outcome: str, marks: int):
    scores = make_scores(make_curves())
    assert texts(rate_response(scores, Score(), make_verdict(scores, outcome))).count("chosen") == marks


def test_interval_is_laid_off_from_the_control_in_the_direction_of_the_score():
    scores = pd.DataFrame({0.0: [3.0, 3.2, 3.4], 0.1: [2.5, 2.9, 2.7]}, index=[0, 1, 2])
    verdict = make_verdict(scores)
    (only,) = verdict.comparisons
    for score, sign in [(Score(), -1), (Score("metrics/mAP50-95(B)", "max"), 1)]:
        (ax,) = rate_response(scores, score, verdict).axes
        bars = [tuple(line.get_ydata()) for line in ax.lines if line.get_marker() == "_"]
        assert bars == [pytest.approx(sorted((3.2 + sign * only.low, 3.2 + sign * only.high)))]


def test_one_seed_has_no_interval_rather_than_a_zero_wide_one():
    scores = pd.DataFrame({0.0: [3.0], 0.1: [2.5]}, index=[0])
    figure = rate_response(scores, Score(), make_verdict(scores, "exploratory"))
    assert not [line for line in figure.axes[0].lines if line.get_marker() == "_"]
    assert any("One seed has no interval." in text for text in texts(figure))


def test_missing_scores_are_told():
    scores = pd.DataFrame({0.0: [3.0, 3.1], 0.1: [np.nan, 2.9]}, index=[0, 1])
    figure = rate_response(scores, Score(), make_verdict(scores))
    assert any("1 of 4 runs were not made or have no score" in text for text in texts(figure))


def test_branch_note_is_on_every_figure():
    curves = make_curves(n_seeds=2, epochs=5)
    for figure in figures_of(make_report(curves, branch_note="one-to-one branch")).values():
        assert any("one-to-one branch" in text for text in texts(figure))


@pytest.mark.parametrize(
    ("rates", "n_seeds", "epochs"),
    [((0.0, 0.3), 1, 1), ((0.0, 0.3), 1, 30), ((0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5), 3, 2000)],
)
def test_all_figures_draw_for_any_size_of_study(rates: tuple[float, ...], n_seeds: int, epochs: int):
    curves = make_curves(rates, n_seeds, epochs)
    figures = figures_of(make_report(curves))
    assert set(figures) == {"val_loss", "loss_components", "rate_response", "metric", "overfitting_gap"}
    for figure in figures.values():
        assert to_png(figure, dpi=40).startswith(b"\x89PNG")


def test_figures_without_any_finite_value_say_so():
    curves = tidy({(0.0, 0): [np.nan, np.inf], (0.1, 0): [np.nan, np.nan]})
    scores = pd.DataFrame({0.0: [np.nan], 0.1: [np.nan]}, index=[0])
    response = rate_response(scores, Score(), make_verdict(scores, "exploratory", 0.1))
    figures = [validation_loss(curves, VERDICT), response, overfitting_gap(scores)]
    assert title(figures[0]) == "No finite validation loss in any run"
    for figure in figures:
        to_png(figure, dpi=40)


def test_a_diverged_run_does_not_flatten_the_others():
    curves = tidy({(0.0, 0): [3.0] * 50, (0.0, 1): [3.5] * 50, (0.3, 0): [3.2] * 49 + [1e9]})
    assert validation_loss(curves, VERDICT).axes[0].get_ylim()[1] < 10


def test_equal_curves_do_not_blow_up_the_axis():
    low, high = (
        validation_loss(tidy({(0.0, 0): [10.003, 10.003], (0.5, 0): [10.003, 10.0031]}), VERDICT).axes[0].get_ylim()
    )
    assert high - low > 0.01


def test_svg_is_the_same_every_time_and_carries_no_date():
    curves = make_curves(n_seeds=2, epochs=5)
    first, second = (to_svg(validation_loss(curves, VERDICT), "val_loss") for _ in range(2))
    assert first == second
    assert "<dc:date>" not in first


def test_svg_carries_the_title_of_the_picture():
    figure = overfitting_gap(GAPS)
    title = figure.texts[0].get_text().replace("\n", " ")
    assert f"<title>{title}</title>" in to_svg(figure, "gap")


def test_figures_leave_the_global_settings_alone():
    before = dict(mpl.rcParams)
    to_svg(overfitting_gap(GAPS), "gap")
    assert dict(mpl.rcParams) == before


def test_the_global_settings_leave_a_studys_figures_alone():
    study = make_report(make_curves(n_seeds=2, epochs=3))
    usual = {stem: to_svg(figure, stem) for stem, figure in figures_of(study).items()}
    with mpl.rc_context({"text.usetex": True, "font.size": 40, "savefig.dpi": 9}):  # as a matplotlibrc sets them
        assert {stem: to_svg(figure, stem) for stem, figure in figures_of(study).items()} == usual
        assert study_html(study)


def test_colours_are_ordered_and_the_control_stands_apart():
    palette = colours([0.0, 0.1, 0.3, 0.5])
    assert list(palette) == [0.0, 0.1, 0.3, 0.5]
    assert len(set(palette.values())) == 4
    assert colours([0.0, 0.2])[0.0] == palette[0.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_labels_keep_their_order_and_distance_within_the_frame(places: list[float]):
    result = spread(places, 0.1, 0, 1)
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [result[i] for i in order]
    assert all(b - a >= 0.1 - 1e-6 for a, b in pairwise(moved))
    assert min(moved) >= -1e-6
    assert max(moved) <= 1 + 1e-6


def test_labels_that_do_not_collide_stay_where_they_are():
    assert spread([0.9, 0.1, 0.5], 0.1, 0, 1) == pytest.approx([0.9, 0.1, 0.5])


def test_one_run_that_explodes_leaves_the_frame_to_the_others():
    runs = {(rate, seed): [5.0, 3.0 - rate, 2.5 - rate, 2.6] for rate in (0.0, 0.1, 0.3) for seed in range(5)}
    calm = frame(by_run(tidy(runs), "val/loss"), lower=True)
    runs[0.3, 2] = [5.0, 3.0, 2e4, 2e4]
    assert frame(by_run(tidy(runs), "val/loss"), lower=True)[1] < 2 * calm[1]


def test_runs_that_are_all_alike_get_an_axis_that_can_be_read():
    scores = pd.DataFrame({0.0: [2.5, 2.5], 0.1: [2.5, 2.5 + 1e-12]})
    low, high = rate_response(scores, Score(), make_verdict(scores, "undecided")).axes[0].get_ylim()
    assert high - low >= 0.002


def test_a_dozen_rates_have_a_legend_in_two_rows():
    curves = make_curves(tuple(np.linspace(0, 0.9, 13).round(3)), 2, 5)
    figure = loss_components(curves)
    figure.canvas.draw()
    box, page = figure.legends[0].get_window_extent(), figure.bbox
    assert box.x1 <= page.x1 and len(figure.legends[0].get_texts()) == 13

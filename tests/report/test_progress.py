"""What a person sees: rows and bars on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from yolo_dropout.executors import Ended, EpochDone, Started
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.report.progress import LineView, LiveView, view
from yolo_dropout.spec.runs import Run

FIRST, SECOND = Run(0, "0.0"), Run(0, "0.1")


def console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, legacy_windows=False)


def picture(shown):
    plain = Console(file=io.StringIO(), width=100)
    plain.print(shown)
    return plain.file.getvalue()


def filled(shown):
    """How full the bar of the study is."""
    study = picture(shown).splitlines()[0]
    return (study.count("━") + study.count("╸") / 2) / 28


def play(shown):
    with shown:
        shown.plan([FIRST, SECOND], [RunRecord("0.2", 0, "finished")])
        shown.event(Started(FIRST))
        shown.event(Started(SECOND))
        shown.event(EpochDone(FIRST, {"epoch": 1, "val/box_loss": 2.0, "val/cls_loss": 1.0}))
        shown.event(EpochDone(FIRST, {"epoch": 2, "val/box_loss": 2.5, "val/cls_loss": 1.0}))
        yield
        shown.event(Ended(FIRST, RunRecord("0.0", 0, "finished", seconds=12.4)))
        shown.event(Ended(SECOND, RunRecord("0.1", 0, "failed", "boom \x1b[31m[red]")))
        yield


def test_without_a_terminal_there_is_one_line_per_finished_run():
    plain = console(terminal=False)
    shown = view(plain, 4)
    assert isinstance(shown, LineView)
    list(play(shown))
    assert plain.file.getvalue().splitlines() == [
        "2 of 3 runs to do",
        "[2/3] rate 0.0 seed 0: finished in 12 s, lowest val loss 3",
        "[3/3] rate 0.1 seed 0: failed, boom ?[31m[red]",
    ]


def test_seeds_that_are_added_are_told_with_the_rates_that_get_them():
    for terminal in (False, True):
        shown = console(terminal)
        with view(shown, 4) as display:
            display.plan([FIRST, SECOND], [])
            done = [RunRecord("0.0", 0, "finished"), RunRecord("0.1", 0, "finished")]
            display.plan([Run(3, "0.0"), Run(3, "0.2")], done)
            display.plan([Run(3, "0.0"), Run(3, "0.2")], done)
        assert shown.file.getvalue().count("not clear yet, so seed 3 is added for rates 0.0, 0.2") == 1


def test_an_epoch_without_a_loss_leaves_the_lowest_as_it_was():
    plain = console(terminal=False)
    with view(plain, 4) as shown:
        shown.plan([FIRST], [])
        for epoch, loss in enumerate((2.0, 1.0, math.nan, 3.0), start=1):
            shown.event(EpochDone(FIRST, {"epoch": epoch, "val/loss": loss}))
        shown.event(Ended(FIRST, RunRecord("0.0", 0, "finished", seconds=1.0)))
    assert plain.file.getvalue().endswith("lowest val loss 1\n")


def test_a_run_that_went_on_from_a_checkpoint_tells_no_lowest_loss_of_half_its_epochs():
    plain = console(terminal=False)
    with view(plain, 4) as shown:
        shown.plan([FIRST], [])
        shown.event(EpochDone(FIRST, {"epoch": 3, "val/loss": 5.0}))
        shown.event(Ended(FIRST, RunRecord("0.0", 0, "finished", seconds=1.0)))
    assert plain.file.getvalue().endswith("finished in 1 s\n")


def test_on_a_terminal_every_running_training_has_a_row():
    terminal = console(terminal=True)
    shown = view(terminal, 4)
    assert isinstance(shown, LiveView)
    playing = play(shown)
    next(playing)
    text = picture(shown)
    assert "1/3 runs" in text
    assert "rate 0.0  seed 0" in text and "2/4" in text and "val loss 3.5" in text
    assert "rate 0.1  seed 0" in text and "starting" in text
    list(playing)
    assert "boom ?[31m[red]" in terminal.file.getvalue()


def test_the_bar_of_the_study_ends_full_where_a_run_goes_on_from_its_checkpoint_or_starts_over():
    with LiveView(console(terminal=True), 4) as shown:
        shown.plan([FIRST, SECOND], [])
        shown.event(Started(FIRST))
        for epoch in (3, 4):
            shown.event(EpochDone(FIRST, {"epoch": epoch, "val/loss": 1.0}))
        for _ in range(2):  # its node was lost after the first epoch
            shown.event(Started(SECOND))
            shown.event(EpochDone(SECOND, {"epoch": 1, "val/loss": 1.0}))
        assert filled(shown) == pytest.approx(5 / 8, abs=0.02)
        for run in (FIRST, SECOND):
            shown.event(Ended(run, RunRecord(run.treatment, 0, "finished")))
        assert filled(shown) == 1

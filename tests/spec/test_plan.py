"""Runs in an order that keeps blocks whole."""

from __future__ import annotations

from yolo_dropout.spec.runs import Run, pending, plan
from yolo_dropout.spec.study_spec import StudySpec

SPEC = StudySpec(model="m", data="d", rates=(0, 0.1, 0.125), seeds=(4, 2))


def test_runs_are_seed_major():
    assert [(run.seed, run.rate) for run in plan(SPEC)] == [
        (2, 0.0),
        (2, 0.1),
        (2, 0.125),
        (4, 0.0),
        (4, 0.1),
        (4, 0.125),
    ]


def test_names_are_unique_and_tell_the_rate_in_full():
    assert [run.name for run in plan(SPEC)[:3]] == ["p0.00-s2", "p0.10-s2", "p0.125-s2"]
    assert Run(1, "0.1000001").name == "p0.1000001-s1"


def test_what_is_done_is_not_pending():
    assert pending(plan(SPEC), {Run(2, "0.0"), Run(4, "0.125")}) == (
        Run(2, "0.1"),
        Run(2, "0.125"),
        Run(4, "0.0"),
        Run(4, "0.1"),
    )


def test_folds_go_between_seed_and_rate_so_that_whole_blocks_end_first():
    runs = plan(StudySpec(model="m", data="d", rates=(0, 0.1), seeds=(4, 2), folds=2))
    assert [run.name for run in runs] == [
        "p0.00-s2-f0", "p0.10-s2-f0", "p0.00-s2-f1", "p0.10-s2-f1",
        "p0.00-s4-f0", "p0.10-s4-f0", "p0.00-s4-f1", "p0.10-s4-f1",
    ]  # fmt: skip
    assert (runs[2].block, Run(3, "0.1").block) == ("seed 2 fold 1", "seed 3")

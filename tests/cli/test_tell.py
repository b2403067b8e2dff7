"""What a sweep prints at its end: what to do next."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import fakes
import pytest
from made_studies import Inline

from yolo_dropout.cli.tell import new_seeds
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import Study, run_study

TRAIN = {"epochs": 6}
SPEC = StudySpec(model="m", data="d", rates=(0, 0.1, 0.3), seeds=(0, 1, 4), train=TRAIN, max_seeds=None)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Undecided, since the fake trainer's rates differ by noise alone."""
    folder = tmp_path_factory.mktemp("tell") / "study"
    return run_study(SPEC, folder, executor=Inline(), backend=fakes.FAKE, publish=publish_tables)


def told(study: Study, **verdict: object) -> str:
    changed = replace(study)
    vars(changed)["verdict"] = replace(study.verdict, **verdict)  # in place of what is computed once
    return new_seeds(changed)


def test_an_undecided_study_asks_for_seeds_that_nobody_has_looked_at(study: Study):
    line = told(study, outcome="undecided", seeds_needed=7)
    assert line == f"New seeds: the same command with --seeds 5-11 --out {study.folder.path}-seeds-5-11"


@pytest.mark.parametrize(
    ("needed", "most", "asked"),
    [(7, 12, "0 1 4 5-13"), (13, 12, "5-17 --out {}-seeds-5-17"), (7, 3, "5-11 --out {}-seeds-5-11")],
)
def test_seeds_come_to_those_that_are_there_where_that_was_planned(study: Study, needed: int, most: int, asked: str):
    planned = replace(study, spec=replace(SPEC, max_seeds=most))
    line = told(planned, outcome="undecided", seeds_needed=needed)
    assert line.endswith(f" the same command with --seeds {asked.format(study.folder.path)}")
    assert line.startswith("More seeds" if needed <= most else "New seeds")


def test_a_span_of_seeds_stays_one(study: Study):
    planned = replace(study, spec=replace(SPEC, max_seeds=12, seeds=(0, 1)))
    line = told(planned, outcome="undecided", seeds_needed=7, comparisons=study.verdict.comparisons)
    assert line.endswith("with --seeds 0-11")


@pytest.mark.parametrize("outcome", ["use", "keep"])
def test_a_decided_study_asks_for_nothing(study: Study, outcome: str):
    assert told(study, outcome=outcome, seeds_needed=7) == ""


def test_no_seeds_are_asked_for_where_they_would_not_settle_it(study: Study):
    assert told(study, outcome="undecided", seeds_needed=None) == ""
    lone = replace(study.verdict.comparisons[0], n=2, p=None)
    assert told(study, outcome="undecided", seeds_needed=7, comparisons=(lone,)) == ""


def test_a_folder_with_a_space_in_its_name_is_quoted(study: Study):
    moved = replace(study, folder=StudyFolder(Path("/there/my study")))
    assert told(moved, outcome="undecided", seeds_needed=2).endswith("--out '/there/my study-seeds-5-6'")


def test_a_study_with_runs_to_do_is_to_be_finished_first(study: Study, tmp_path: Path):
    more = replace(study, spec=replace(SPEC, seeds=(0, 1, 4, 5)))
    assert more.missing and math.isfinite(more.verdict.relevant or 0)
    assert told(more, outcome="undecided", seeds_needed=7) == ""

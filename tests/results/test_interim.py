"""Seeds are added look by look until it is clear, and what is asked for follows from the scores alone."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import fakes
import numpy as np
import pandas as pd
import pytest
from made_studies import Inline, run

from yolo_dropout.cli import main
from yolo_dropout.executors import Backend
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.results.interim import due_runs, interim_note, interim_verdict, whole_seeds
from yolo_dropout.spec.runs import Run, plan
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import run_study

SPEC = StudySpec(model="m", data="d", rates=(0, 0.1, 0.3), seeds=8, until_decided=True, train={"epochs": 3})


def frame(values):
    filled = np.full((len(SPEC.seeds), len(SPEC.rates)), math.nan)
    for seed, row in enumerate(values):
        filled[seed] = row
    return pd.DataFrame(filled, index=list(SPEC.seeds), columns=list(SPEC.rates))


CLEAR = [[3.0 + 0.3 * seed, 2.0 + 0.3 * seed, 1.9 + 0.3 * seed + 0.01 * (seed % 2)] for seed in range(3)]
VAGUE = [[3.0, 2.9, 3.1], [3.2, 3.1, 3.0], [2.9, 3.0, 2.95]]


def test_a_fixed_study_asks_for_all_of_its_runs_at_once():
    fixed = StudySpec(model="m", data="d", rates=(0, 0.1), seeds=2)
    assert due_runs(fixed, set(), pd.DataFrame()) == plan(fixed)


def test_the_first_look_needs_three_seeds():
    due = due_runs(SPEC, set(), frame([]))
    assert {run.seed for run in due} == {0, 1, 2}
    assert len(due) == 9


def test_once_it_is_clear_no_more_is_asked():
    first = due_runs(SPEC, set(), frame([]))
    assert due_runs(SPEC, set(first), frame(CLEAR)) == first
    assert interim_verdict(SPEC, frame(CLEAR), 3).outcome == "use"


def test_while_it_is_not_clear_the_next_look_is_asked():
    first = due_runs(SPEC, set(), frame([]))
    due = due_runs(SPEC, set(first), frame(VAGUE))
    assert due[: len(first)] == first
    assert {run.seed for run in due} == {0, 1, 2, 3}
    assert Run(3, "0.0") in due


def test_when_every_run_of_the_first_look_failed_no_more_is_asked():
    first = due_runs(SPEC, set(), frame([]))
    assert due_runs(SPEC, set(first), frame([])) == first


def helpful(job, on_epoch):
    fakes.write_results(job.folder.results, job.run.rate, job.run.seed, 3, gain=2.0)
    for row in fakes.rows(job.run.rate, job.run.seed, 3, gain=2.0):
        on_epoch(dict(zip(fakes.COLUMNS, row, strict=True)))
    return fakes.Outcome((), {}, {})


@pytest.fixture(scope="module")
def helped(tmp_path_factory):
    """A decided study, to be read only."""
    folder = tmp_path_factory.mktemp("helped")
    return run_study(SPEC, folder, executor=Inline(), backend=Backend(fakes.inspect, helpful), publish=publish_tables)


def test_a_study_stops_as_soon_as_it_is_decided_and_stays_so(tmp_path):
    def trained_by(backend):
        return run(tmp_path, SPEC, backend)

    study, names = trained_by(Backend(fakes.inspect, helpful))
    assert study.verdict.outcome == "use"
    assert len(names) == 9
    assert study.missing == ()
    assert study.scores.shape == (3, 3)
    again, names = trained_by(Backend(fakes.inspect, helpful))
    assert names == []
    assert again.verdict == study.verdict


@pytest.mark.parametrize(("seeds", "looked", "level"), [(3, (), 0.0125), (8, (3,), 0.0248), (12, (3, 8), 0.0302)])
def test_a_look_that_was_planned_keeps_to_the_error_level_and_needs_no_note(seeds, looked, level):
    spec = replace(SPEC, until_decided=False, max_seeds=12, seeds=tuple(range(seeds)))
    verdict = interim_verdict(spec, vague(spec), 0, looked)
    assert [comparison.level for comparison in verdict.comparisons] == pytest.approx([level] * 2, abs=1e-4)
    assert list(interim_note(spec, looked)) == []


def vague(spec):
    return pd.DataFrame((VAGUE * 4)[: len(spec.seeds)], index=list(spec.seeds), columns=list(spec.rates))


def test_a_look_beyond_the_plan_is_at_the_full_level_and_told():
    spec = replace(SPEC, until_decided=False, max_seeds=4, seeds=(0, 1, 2, 3, 4))
    verdict = interim_verdict(spec, vague(spec), 0, (3,))
    assert {comparison.level for comparison in verdict.comparisons} == {spec.alpha}
    assert [note.startswith("seeds were added after the verdict on 3") for note in interim_note(spec, (3,))] == [True]


def test_an_undecided_first_look_says_how_seeds_are_added():
    spec = replace(SPEC, until_decided=False, max_seeds=8, seeds=(0, 1, 2))
    assert interim_verdict(spec, vague(spec), 0).reason.endswith(", more than the 8 that this study is planned for.")
    enough = interim_verdict(replace(spec, max_seeds=20), vague(spec), 0).reason
    assert " The 20 seeds that this study is planned for would settle it in about four studies of five, if" in enough
    assert "in a new study" in interim_verdict(replace(spec, max_seeds=None), vague(spec), 0).reason


def test_looks_that_somebody_has_spoilt_in_the_file_break_nothing():
    spec = replace(SPEC, until_decided=False, max_seeds=12, seeds=tuple(range(5)))
    first, later = (interim_verdict(spec, vague(spec), 0, looked) for looked in ((), ("five", 1, 8, 40)))
    assert {c.level for c in later.comparisons} == {c.level for c in first.comparisons} != {spec.alpha}


def test_seeds_that_a_study_of_before_has_run_count_though_another_rule_dropped_treatments():
    before = StudySpec.from_dict({**SPEC.as_dict(), "max_seeds": None})
    ran = [run for run in plan(before) if run.seed < 3 or (run.seed < 5 and run.treatment != "0.3")]
    scores = frame([*VAGUE, [3.0, 2.9, math.nan], [3.1, 3.0, math.nan]])
    due = due_runs(before, set(ran), scores)
    assert {run.seed for run in due} == set(range(6))
    assert {run.treatment for run in due if run.seed > 2} == {"0.0", "0.1"}


def test_other_scores_are_judged_at_the_levels_of_the_look(helped):
    """The very same scores must get the very same limits, whichever name they go by."""
    study = helped
    assert {comparison.level < SPEC.alpha for comparison in study.verdict.comparisons} == {True}
    others = [other.verdict for other in study.other_scores if other.verdict]
    levels = [comparison.level for comparison in study.verdict.comparisons]
    assert len(others) >= 2
    assert all([comparison.level for comparison in verdict.comparisons] == levels for verdict in others)


@pytest.mark.usefixtures("no_pictures")
def test_the_score_by_which_seeds_were_added_stays(helped, tmp_path, capsys):
    shutil.copytree(helped.folder.path, tmp_path, dirs_exist_ok=True)
    assert main(["report", str(tmp_path), "--score", "val/loss@last2"]) == 2
    assert "--score: val/loss@min told when to stop adding seeds, so it stays" in capsys.readouterr().err
    assert main(["report", str(tmp_path), "--score", "val/loss"]) == 0
    assert json.loads((tmp_path / "verdict.json").read_text())["score"] == "val/loss@min"


@pytest.mark.usefixtures("no_pictures")
def test_report_shows_a_study_whose_own_score_is_not_there(tmp_path):
    fixed = replace(SPEC, until_decided=False, seeds=(0, 1, 2))
    run_study(fixed, tmp_path, executor=Inline(), backend=fakes.FAKE, publish=publish_tables)
    study = tmp_path / "study.yaml"
    study.write_text(study.read_text().replace("score: val/loss@min", "score: val/nothing@min"))
    assert main(["report", str(tmp_path)]) == 2
    assert main(["report", str(tmp_path), "--score", "val/loss"]) == 0


def test_a_seed_that_is_not_complete_is_not_looked_at():
    half = [*VAGUE, [3.0, 1.0, math.nan]]
    assert interim_verdict(SPEC, frame(half), 3) == interim_verdict(SPEC, frame(VAGUE), 3)
    assert interim_verdict(SPEC, frame(half), 4).n_seeds == 4


def test_without_a_complete_seed_nothing_is_decided():
    clear = [[3.0, 1.0, math.nan], [3.1, 1.2, math.nan], [2.9, 0.8, math.nan]]
    assert interim_verdict(SPEC, frame(clear), 3).outcome == "use"
    early = interim_verdict(SPEC, frame(clear), 0)
    assert early.outcome == "exploratory"
    assert early.reason == "No verdict before 3 seeds are complete, which the first look takes; so far 0 are."


def test_other_scores_are_judged_at_the_level_of_the_first_look_before_it_too():
    first = interim_verdict(SPEC, frame(VAGUE[:3]), 3)
    early = interim_verdict(SPEC, frame(VAGUE[:3]), 1)
    assert {c.level for c in early.comparisons} == {c.level for c in first.comparisons} != {SPEC.alpha}


def test_seeds_are_whole_up_to_the_first_that_has_a_run_to_come():
    due = plan(SPEC)[:9]
    assert whole_seeds(due, due) == 3
    assert whole_seeds(due, due[:8]) == 2
    assert whole_seeds(due, due[1:]) == 0

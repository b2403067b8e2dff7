"""The calibration script: its simulation is the method itself, and its figures are in bounds."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from yolo_dropout.decision import next_step

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.append(str(SCRIPTS))
calibrate: ModuleType = importlib.import_module("calibrate")
looks: ModuleType = importlib.import_module("calibrate_looks")
simulated: ModuleType = importlib.import_module("simulated_studies")
noises: ModuleType = importlib.import_module("noises")
RATES = (0.0, 0.1, 0.2, 0.4)


def lab(studies: int) -> calibrate.Lab:
    return calibrate.Lab(studies, 0, lambda job, jobs: [job(one) for one in jobs])


@pytest.mark.soak
@pytest.mark.parametrize("noise", [*noises.NOISES, *noises.null_pools()])
def test_false_use_is_rare_under_no_effect(noise: str):
    cells = [simulated.Cell(noise, seeds=n, rates=r) for n in (3, 5, 8) for r in (4, 6)]
    for shares in lab(3000).fixed(cells):
        assert shares.use < 0.07


@pytest.mark.soak
def test_power_for_two_sd_is_what_the_docs_say():
    cells = [simulated.Cell(seeds=n, effect="gain", size=2.0) for n in (3, 5, 8)]
    assert [s.use for s in lab(3000).fixed(cells)] == pytest.approx([0.26, 0.64, 0.92], abs=0.04)


@pytest.mark.soak
def test_harm_is_found_as_often_as_gain():
    gain, harm = lab(3000).fixed([simulated.Cell(effect=effect, size=2.0) for effect in ("gain", "harm")])
    assert harm.harm == pytest.approx(gain.use, abs=0.04)


@pytest.mark.soak
def test_naive_choice_finds_a_winner_in_four_of_five_studies_without_effect():
    (naive,) = lab(3000).fixed([simulated.Cell(seeds=1)])
    assert naive.naive == pytest.approx(0.8, abs=0.03)


@pytest.mark.soak
def test_overlap_of_folds_must_be_corrected_for():
    right, wrong = lab(3000).fixed([simulated.Cell(folds=5, corrected=corrected) for corrected in (True, False)])
    assert right.use < 0.07 < wrong.use


@pytest.mark.parametrize("effect", ["none", "gain"])
def test_many_sequential_studies_take_the_course_that_next_step_gives_each(effect: str):
    cell, studies = simulated.Cell(rates=4, seeds=12, effect=effect, size=1.5), 60
    course = simulated.sequential(cell, studies, np.random.default_rng(5))
    use = keep = runs = 0
    for gains in cell.draw(np.random.default_rng(5), studies):
        active, ran = len(RATES), 0
        for n in range(3, 13):
            decision = next_step(gains[:n], RATES, higher_is_better=True)
            runs, ran = runs + (n - ran) * active, n
            active = len(decision.active)
            if decision.stop:
                break
        use += decision.verdict.outcome == "use"
        keep += decision.verdict.outcome == "keep"
    assert (course.use, course.keep, course.runs) == pytest.approx((use / studies, keep / studies, runs / studies))


@pytest.mark.soak
def test_until_clear_needs_fewer_runs_where_a_rate_helps():
    base = simulated.Cell(rates=4, seeds=12)
    gain = replace(base, effect="gain", size=1.0)
    course, none = lab(3000).sequential([gain, base])
    seeds = looks.same_power(lab(3000), "gain 1 sd", course.use, base)
    assert course.runs / (4 * seeds) < 0.88
    assert none.use < 0.07


def test_a_simulated_study_takes_no_real_run_twice_and_takes_each_as_often():
    pool = np.arange(30.0)
    studies = noises.drawn_from(pool)(np.random.default_rng(0), (6000, 2, 4)).reshape(6000, 8)
    assert all(len(set(study)) == 8 for study in studies)
    assert studies.mean(0) == pytest.approx([pool.mean()] * 8, abs=0.5)


def test_trained_noise_has_no_effect_and_keeps_what_the_runs_of_a_seed_share():
    (name, *_), (pool, *_) = noises.paired_pools().keys(), noises.paired_pools().values()
    seeds, rates = pool.shape
    assert pool.mean(0) == pytest.approx(np.zeros(rates), abs=1e-9)
    drawn = noises.noise_named(name)(np.random.default_rng(0), (4000, 3, rates)).reshape(-1, rates)
    assert drawn.mean(0) == pytest.approx(np.zeros(rates), abs=0.6)
    assert np.corrcoef(drawn.T) == pytest.approx(np.corrcoef(pool.T), abs=0.02)
    paired = drawn[:, 1] - drawn[:, 0]
    assert paired.std() == pytest.approx(np.sqrt(2), rel=0.05)
    assert len(np.unique(paired)) == len(paired)  # none ties, whichever seed was drawn twice
    assert seeds > 39


@pytest.mark.soak
def test_tables_are_printed_and_do_not_depend_on_the_number_of_processes(capsys):
    texts = []
    for processes in ("1", "2"):
        calibrate.main(["--studies", "20", "--seed", "3", "--processes", processes])
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert texts[0].count("### ") == 10
    assert "| control 2x noisier |" in texts[0]
    assert "| real: digits-classify, top-1 accuracy | 2" in texts[0]

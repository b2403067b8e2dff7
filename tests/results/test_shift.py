"""Runs that were measured under shift: what is read of them, and what rests on it, counted by hand."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import fakes
import numpy as np
import pandas as pd
import pytest
from made_studies import Inline

from yolo_dropout.cli import main
from yolo_dropout.decision.new_images import on_images
from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.report.figures import figures_of
from yolo_dropout.report.publish import publish, publish_tables
from yolo_dropout.results.new_images import in_words, over_images
from yolo_dropout.shift.sets import Pass
from yolo_dropout.shift.tables import as_table
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.score import Score, higher_is_better, metric_name
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.spec.treatment import Treatment
from yolo_dropout.study import load_study, run_study

MAP = "metrics/mAP50-95(B)"


@pytest.fixture
def study(tmp_path):
    """Three seeds of two rates: under fog rate 0.1 is better by 1 in loss, under rain by .1 and .2 in mAP."""
    spec = replace(fakes.SPEC, rates=(0, 0.1), seeds=3)
    made = run_study(spec, tmp_path, executor=Inline(), backend=fakes.FAKE, publish=publish_tables)
    for run in made.table.results:
        gain, level = run.rate * 10, 0.01 * run.seed
        values = {
            Pass(): {MAP: 0.8 + level, "val/loss": 1.0 + level},
            Pass("fog", 1): {MAP: 0.5 + level, "val/loss": 3.0 - gain * (1 + level) + level**2},
            Pass("rain", 1): {MAP: 0.3 + 0.1 * gain + level**2, "val/loss": 4.0 + level},
            Pass("rain", 5): {MAP: 0.1 + 0.2 * gain + level**2, "val/loss": 6.0 + level},
        }
        as_table(values.items()).to_csv(made.folder.run(run.name).shift, index=False)
    return load_study(tmp_path)


def judged(study, score):
    return replace(study, spec=replace(study.spec, score=score))


def test_a_score_under_shift_is_the_mean_over_corruptions_of_the_means_over_severities(study):
    found = judged(study, "shift/mAP50-95").scores
    assert found.loc[0].tolist() == pytest.approx([(0.5 + 0.2) / 2, (0.5 + 0.35) / 2])
    assert judged(study, "shift:weather/mAP50-95").scores.loc[0].tolist() == pytest.approx([0.5, 0.5])
    assert judged(study, "shift:rain/loss").scores.loc[1].tolist() == pytest.approx([5.01, 5.01])


def test_the_verdict_may_rest_on_it_and_other_scores_show_it(study):
    assert judged(study, "shift/loss").verdict.treatment == "0.1"
    assert {"shift/metrics/mAP50-95(B)", "shift/val/loss"} <= {other.key for other in study.other_scores}
    publish_tables(study)
    others = json.loads(study.folder.verdict.read_text())["others"]
    assert next(o for o in others if o["score"] == "shift/val/loss")["difference"] == pytest.approx(0.505)
    table = pd.read_csv(study.folder.table("shift"))
    assert table.columns.to_list() == ["rate", "seed", "corruption", "group", "severity", "metric", "value"]
    assert len(table) == 6 * 4 * 2


def test_runs_count_as_far_as_all_were_measured_and_the_rest_is_told(study):
    one, other = (study.folder.run(f"p0.10-s{seed}").shift for seed in (0, 1))
    table = pd.read_csv(one)
    table[table["corruption"] != "rain"].to_csv(one, index=False)
    other.unlink()
    again = load_study(study.folder.path)
    assert judged(again, "shift/mAP50-95").scores[0.1].isna().tolist() == [False, True, False]
    assert judged(again, "shift/mAP50-95").scores.loc[0].tolist() == pytest.approx([0.5, 0.5])
    assert "shift: 1 runs were not measured; report --shift measures the rest" in again.notes
    assert any("2 of 4 passes count" in note for note in again.notes)


def test_what_cannot_be_scored_is_told_in_one_line(study):
    with pytest.raises(InputError, match=r"there are metrics/mAP50-95\(B\), val/loss"):
        _ = judged(study, "shift/box_loss").scores
    with pytest.raises(SpecError, match="no set or corruption is called 'whether'"):
        _ = judged(study, "shift:whether/loss").scores
    for run in study.table.results:
        study.folder.run(run.name).shift.unlink()
    with pytest.raises(InputError, match=r"needs runs that were measured .*; add --shift"):
        _ = judged(load_study(study.folder.path), "shift/loss").verdict


def test_a_sweep_by_a_score_under_shift_needs_to_measure_it(tmp_path):
    spec = replace(fakes.SPEC, score="shift/loss")
    with pytest.raises(SpecError, match="add --shift"):
        run_study(spec, tmp_path, backend=fakes.FAKE)
    with pytest.raises(SpecError, match="leave until_decided out"):
        StudySpec("m.pt", "d.yaml", seeds=12, until_decided=True, score="shift/loss")
    with pytest.raises(SpecError, match="score: must be a metric"):
        Score.parse("shift/loss@min@max")


@pytest.mark.parametrize(
    "text, words, higher",
    [
        ("shift/mAP50-95", "mAP50-95 (boxes) under shift", True),
        ("shift:weather/loss", "validation loss under shift (weather)", False),
        ("shift/top1", "top-1 accuracy under shift", True),
        ("shift/box_loss", "box loss (validation) under shift", False),
        ("calibration/dece", "calibration error", False),
        ("calibration/brier", "Brier score", False),
    ],
)
def test_scores_under_shift_by_their_short_names(text, words, higher):
    score = Score.parse(text)
    assert Score.parse(str(score)) == score
    assert score.words == metric_name(text) == words
    assert score.higher_is_better is higher_is_better(text) is higher


def test_without_the_library_nothing_is_trained_and_nothing_is_planned(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(SpecError, match=r"^shift: needs another package .*pip install"):
        run_study(fakes.SPEC, tmp_path / "study", backend=fakes.FAKE, publish=publish_tables, shift=["fog"])
    assert not (tmp_path / "study").exists()
    words = ["sweep", "model=m", "data=d", "--dry-run", "--shift", "fog", "--out", str(tmp_path / "study")]
    assert main(words) == 2
    assert "shift: needs another package" in capsys.readouterr().err


def test_what_was_trained_is_reported_where_measuring_fails(study):
    pytest.importorskip("imagecorruptions", reason="imagecorruptions-imaug is not installed")
    for run in study.table.results:
        folder = study.folder.run(run.name)
        folder.shift.unlink()
        (folder.path / "weights").mkdir(exist_ok=True)
        (folder.path / "weights" / "best.pt").write_bytes(b"no checkpoint")
    study.folder.verdict.unlink()

    def again(spec):
        publish = {"backend": fakes.FAKE, "publish": publish_tables, "shift": ["fog"]}
        with pytest.raises(InputError, match=r"best\.pt cannot be loaded"):
            run_study(spec, study.folder.path, executor=LocalExecutor(jobs=2), **publish)

    again(study.spec)
    assert json.loads(study.folder.verdict.read_text())["score"] == "val/loss@min"
    again(replace(study.spec, score="shift/loss"))  # by which nothing can be judged yet


def test_runs_by_class_are_one_table_and_files_that_hold_something_else_are_left_out(study):
    for place, run in enumerate(study.table.results):
        told = "class,metric,value\n" + "".join(f'"car, {name}",{MAP},0.{place**2}\n' for name in ("red", "blue"))
        study.folder.run(run.name).classes.write_text("junk\n\x00" if run == Run(1, "0.1") else told)
    publish(load_study(study.folder.path))
    table = pd.read_csv(study.folder.table("classes"))
    assert list(table.columns) == ["rate", "seed", "class", "metric", "value"]
    assert table["class"].tolist() == ["car, red", "car, blue"] * 5
    assert table.groupby(["rate", "seed"]).size().index.to_list() == [(0.0, 0), (0.0, 1), (0.0, 2), (0.1, 0), (0.1, 2)]
    assert (study.folder.figures / "class_map.png").is_file()
    page = study.folder.report.read_text()
    assert "By class" in page and "classes.csv" in page


def test_without_the_control_nothing_is_mapped(study):
    for run in study.table.results:
        if run.rate:
            study.folder.run(run.name).classes.write_text(f"class,metric,value\na,{MAP},0.1\nb,{MAP},0.2\n")
        else:
            study.folder.run(run.name).shift.unlink()
    assert "shift_severity" in (drawn := figures_of(load_study(study.folder.path)))
    assert not {"shift_map", "class_map"} & drawn.keys()
    publish_tables(load_study(study.folder.path))
    assert len(pd.read_csv(study.folder.table("classes"))) == 6


@pytest.mark.usefixtures("no_pictures")
def test_new_images_are_told_of_the_best_treatment_and_by_the_score_that_decides(study):
    for run in study.table.results:
        level = 2.0 + 0.01 * run.seed - (0.5 + 0.001 * run.seed) * (run.rate > 0)
        lines = [f"val/{i}.jpg,val/loss,{level + 0.1 * i * (run.rate > 0) - 0.35 * (run.rate > 0)}" for i in range(8)]
        study.folder.run(run.name).images.write_text("\n".join(["image,metric,value", *lines]) + "\n")
    publish(load_study(study.folder.path))
    table = pd.read_csv(study.folder.table("new_images"))
    row = table.iloc[0]
    assert (row.treatment, row.metric, row.seeds, row.images) == (0.1, "val/loss", 3, 8)
    assert row.difference == pytest.approx(0.5 + 0.001 + 0.35 - 0.1 * 3.5)
    assert row.new_low < row.low < row.difference < row.high < row.new_high
    told = in_words(load_study(study.folder.path))
    assert told.startswith("On new images like these 8, rate 0.1 improves the validation loss of best.pt by 0.50")
    assert told in study.folder.report.read_text()
    for run in study.table.results:  # an image fewer is too few
        file = study.folder.run(run.name).images
        file.write_text("\n".join(file.read_text().splitlines()[:-1]) + "\n")
    few = load_study(study.folder.path)
    assert "nothing can be said: that takes 3 seeds and 8 images" in in_words(few)
    study.folder.run("p0.10-s0").images.write_text("junk")
    assert over_images(load_study(study.folder.path)).seeds.tolist() == [2]


def test_gains_are_mapped_only_where_the_control_was_measured_too(study):
    for run in study.table.results:
        if run.rate == 0:
            study.folder.run(run.name).shift.unlink()
        else:
            lines = ["class,metric,value", *(f"{name},{MAP},0.5" for name in "ab")]
            study.folder.run(run.name).classes.write_text("\n".join(lines) + "\n")
    assert "shift_severity" in (drawn := figures_of(load_study(study.folder.path)))
    assert not {"class_map", "shift_map"} & drawn.keys()


def test_new_images_say_nothing_of_a_loss_that_a_treatment_weighs(tmp_path):
    heavy = Treatment("heavy box", train={"box": 15.0})
    spec = replace(fakes.SPEC, rates=(0, 0.1), seeds=3, score=MAP, treatments=(heavy,))
    made = run_study(spec, tmp_path, executor=Inline(), backend=fakes.FAKE, publish=publish_tables)
    for run in made.table.results:
        lines = [f"val/{i}.jpg,{metric},{i + 1}" for metric in ("val/loss", MAP) for i in range(8)]
        made.folder.run(run.name).images.write_text("\n".join(["image,metric,value", *lines]) + "\n")
    found = over_images(load_study(tmp_path))
    assert list(zip(found["treatment"], found["metric"], strict=True)) == [
        ("0.1", "val/loss"),
        ("0.1", MAP),
        ("heavy box", MAP),
    ]


@pytest.mark.usefixtures("no_pictures")
def test_calibration_of_runs_is_scored_beside_other_scores_and_may_decide(study, capsys):
    with pytest.raises(InputError, match=r"needs runs that were measured .*; add --calibration"):
        _ = judged(study, "calibration/dece").verdict
    for run in study.table.results:
        dece = 0.2 - run.rate + 0.001 * run.seed**2
        found = {"boxes": 0} if run == Run(2, "0.1") else {"boxes": 9, "dece": dece, "brier": 0.3}
        study.folder.run(run.name).calibration.write_text(json.dumps(found))
    study.folder.run("p0.00-s1").calibration.write_text("{")
    again = judged(load_study(study.folder.path), "calibration/dece")
    assert again.scores.to_numpy() == pytest.approx(
        np.array([[0.2, 0.1], [np.nan, 0.101], [0.204, np.nan]]), nan_ok=True
    )
    assert again.verdict.best.difference == pytest.approx(0.1)
    assert "calibration: 1 runs were not measured; report --calibration measures the rest" in again.notes
    assert {"calibration/dece", "calibration/brier"} <= {other.key for other in study_others(again)}
    assert main(["report", str(study.folder.path), "--score", "calibration/dece", "--out", str(again.folder.path)]) == 0
    assert "Calibration error" in study.folder.report.read_text()
    table = pd.read_csv(study.folder.table("calibration"))
    assert table.columns.to_list() == ["rate", "seed", "metric", "value"]
    assert len(table) == 4 * 3 + 1


def study_others(study):
    return judged(study, "val/loss").other_scores


def test_scores_of_calibration_need_it_measured_and_have_no_other_names(tmp_path):
    with pytest.raises(SpecError, match="add --calibration"):
        run_study(replace(fakes.SPEC, score="calibration/brier"), tmp_path, backend=fakes.FAKE, shift=())
    for wrong in ("calibration/ece", "calibration/dece@last5"):
        with pytest.raises(SpecError, match=r"^score: there is no .*; there are calibration/dece and"):
            Score.parse(wrong)


@pytest.mark.usefixtures("no_pictures")
def test_runs_without_weights_are_told_where_images_are_asked_for(study, capsys):
    assert main(["report", str(study.folder.path), "--new-images"]) == 0
    assert capsys.readouterr().out.count("has no checkpoint, and is not measured") == 6


def test_examples_of_a_task_that_has_none_are_refused_before_anything_is_trained(tmp_path):
    backend = replace(fakes.FAKE, inspect=depth)
    for what in ("examples", "calibration"):
        with pytest.raises(SpecError, match=f"{what}: the task must be one of detect"):
            run_study(fakes.SPEC, tmp_path, executor=LocalExecutor(jobs=1), backend=backend, **{what: True})
    assert not (tmp_path / "runs").exists()


def depth(spec):
    return replace(fakes.inspect(spec), task="depth")


def test_limits_on_images_spend_no_more_than_a_look_may(study):
    for run in study.table.results:
        lines = [f"val/{i}.jpg,val/loss,{i + run.rate * run.seed}" for i in range(8)]
        study.folder.run(run.name).images.write_text("\n".join(["image,metric,value", *lines]) + "\n")
    planned = replace(load_study(study.folder.path), spec=replace(study.spec, max_seeds=12))
    (row,) = over_images(planned).itertuples()
    level = planned.verdict.comparisons[0].level
    assert level < study.spec.alpha
    assert row.low == pytest.approx(on_images(-0.1 * np.arange(3)[:, None].repeat(8, 1), level).same[0])

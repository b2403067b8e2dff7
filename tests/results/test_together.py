"""`report` of several studies: what is one treatment, what is refused, and what is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import fakes
import pandas as pd
import pytest
from made_studies import run, spec

from yolo_dropout import Dropout, Treatment, load_study
from yolo_dropout.cli import main
from yolo_dropout.decision.levels import planned_levels
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.study_file import write_study_file
from yolo_dropout.report.page import render_report
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.results.together import together

DECAY = Treatment("decay", train={"weight_decay": 0.005})


def begun(folder: Path, prepared: Mapping[str, str] = MappingProxyType({}), **changes: object) -> None:
    """A study before its first run."""
    folder.mkdir()
    write_study_file(StudyFolder(folder), spec(rates=(0, 0.1), **changes), prepared)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def compared(root: Path, *names: str) -> StudyResults:
    first, *others = (load_study(root / name) for name in names)
    return together(first, others)


def refused(capsys: pytest.CaptureFixture[str], root: Path) -> str:
    assert main(["report", str(root / "a"), str(root / "b"), "--out", str(root / "out")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and not (root / "out").exists()
    return told


@pytest.mark.usefixtures("no_pictures")
def test_head_against_neck_is_one_page_of_all_treatments_and_the_studies_stay_as_they_are(tmp_path, capsys):
    run(tmp_path / "head", spec(rates=(0, 0.1)))
    run(tmp_path / "neck", spec(rates=(0, 0.1, 0.3), where="neck", seeds=4))
    before = files(tmp_path)
    out = tmp_path / "out"
    words = ["report", str(tmp_path / "head"), str(tmp_path / "neck"), "--score", "val/loss@last5", "--out", str(out)]
    assert main(words) == 0
    scores = pd.read_csv(out / "scores.csv", index_col="seed")
    assert list(scores.columns) == ["0.0", "0.1", "neck: 0.1", "neck: 0.3"]
    own = load_study(tmp_path / "neck").table.results
    assert len(own) == 12 and scores.index.tolist() == [0, 1, 2, 3]
    assert scores.isna().sum().tolist() == [0, 1, 0, 0]  # seed 3 has a control, from the neck
    page = (out / "report.html").read_text()
    assert "15 of 15 runs finished" in page
    assert "neck: 0.1: dropout=0.1 where=neck" in page and "validation loss at the end" in page
    assert 'href="runs/' not in page and "yolo-dropout sweep" not in page
    assert "other curves" not in page
    assert {path: content for path, content in files(tmp_path).items() if out not in path.parents} == before
    capsys.readouterr()
    assert main([*words[:3], "--out", str(tmp_path / "head")]) == 2
    assert "holds another study" in capsys.readouterr().err


def test_what_trains_alike_is_one_treatment_and_an_argument_that_differs_is_part_of_the_treatments(tmp_path):
    run(tmp_path / "a", spec(rates=(0, 0.1), treatments=(DECAY,)))
    run(tmp_path / "b", spec(rates=(0, 0.1, 0.3), train={"epochs": 6, "weight_decay": 0.005, "workers": 1}))
    run(tmp_path / "c", spec(rates=(0, 0.3), train={"epochs": 6, "weight_decay": 0.0005}))
    study = compared(tmp_path, "a", "b", "c")
    assert list(study.scores.columns) == ["0.0", "0.1", "0.3", "decay", "b: 0.1", "b: 0.3"]
    assert study.spec.treatment("b: 0.3") == Treatment("b: 0.3", Dropout(0.3), DECAY.train)
    assert study.spec.parts == {"b: 0.1": ("0.1", "decay"), "b: 0.3": ("0.3", "decay")}
    assert study.scores["decay"].tolist() == load_study(tmp_path / "b").scores[0.0].tolist()
    assert study.notes == () and not study.missing
    swapped = compared(tmp_path, "b", "a")
    assert list(swapped.scores.columns) == ["0.0", "0.1", "0.3", "a: control", "a: 0.1"]
    assert swapped.spec.treatment("a: control").train == {"weight_decay": 0.0005}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"train": {"epochs": 7}}, "epochs: {root}/a has 6, {root}/b has 7: a longer training has more chances"),
        ({"train": {"epochs": 6, "imgsz": 64}}, "imgsz: {root}/a has none given, {root}/b has 64: its validation"),
        ({"model": "n"}, "model: {root}/a has m, {root}/b has n: other models or images are no remedy"),
        ({"folds": 3}, "folds: {root}/a has None, {root}/b has 3: runs compare within a fold"),
        ({"seeds": (3, 4, 5, 6)}, "seeds: {root}/a has 0, 1, 2, {root}/b has 3, 4, 5 and 1 more: runs compare"),
    ],
)
def test_studies_that_do_not_compare_are_refused_in_one_line(changes, told, tmp_path, capsys):
    begun(tmp_path / "a")
    begun(tmp_path / "b", where="neck", **changes)
    assert told.format(root=tmp_path) in refused(capsys, tmp_path)


def test_a_study_beside_plain_runs_is_refused(tmp_path, capsys):
    begun(tmp_path / "a")
    (tmp_path / "b").mkdir()
    assert f"{tmp_path / 'a'}: is a study; give studies, or run folders only" in refused(capsys, tmp_path)


def test_other_images_under_the_same_name_are_refused_and_the_same_elsewhere_are_not(tmp_path, capsys):
    for name, data, digest in (("a", "d", "1" * 16), ("b", "d", "2" * 16), ("c", "x/d", "1" * 16)):
        begun(tmp_path / name, {"data_digest": digest}, data=data)
    assert f"data: {tmp_path}/a has d (11111111), {tmp_path}/b has d (22222222)" in refused(capsys, tmp_path)
    assert list(compared(tmp_path, "a", "c").scores.columns) == [0.0, 0.1]


def test_a_run_that_both_have_is_the_first_ones_and_other_curves_of_it_are_told(tmp_path):
    for name in ("a", "b"):
        run(tmp_path / name, spec(rates=(0, 0.1)))
    fakes.write_results(tmp_path / "b/runs/p0.00-s1/results.csv", 0.0, 7, 6)
    study = compared(tmp_path, "a", "b")
    assert study.scores.equals(load_study(tmp_path / "a").scores)
    (note,) = study.notes
    assert note.startswith(f"{tmp_path / 'b'}: has other curves of p0.00-s1 than a study before it")


def test_looks_at_scores_that_added_seeds_are_told_and_runs_to_come_are_counted(tmp_path):
    run(tmp_path / "a", spec(rates=(0, 0.1), seeds=3, max_seeds=None))
    until, _ = run(tmp_path / "b", spec(rates=(0, 0.1), seeds=5, until_decided=True))
    (tmp_path / "b/runs/p0.00-s0/run.json").unlink()
    study = compared(tmp_path, "b", "a")
    assert any("b: added seeds until val/loss@min was clear" in note for note in study.notes)
    assert len(study.due) == len(until.due) and not study.missing  # a has what b has lost
    run(tmp_path / "more", spec(rates=(0, 0.1), seeds=4))
    assert any("seeds were added after the verdict on 3" in note for note in compared(tmp_path, "a", "more").notes)
    assert "seeds were added" in render_report(compared(tmp_path, "a", "more"))


def test_seeds_of_another_study_count_as_a_second_look_where_that_was_planned(tmp_path):
    run(tmp_path / "a", spec(rates=(0, 0.1), seeds=3))
    run(tmp_path / "more", spec(rates=(0, 0.1), seeds=4))
    study, twice = compared(tmp_path, "a", "more"), compared(tmp_path, "a", "a")
    assert not any("seeds were added" in note for note in study.notes)
    assert [c.level for c in twice.verdict.comparisons] == pytest.approx([0.05 * 3 / 12])
    assert [c.level for c in study.verdict.comparisons] == pytest.approx([planned_levels((3, 4, 12), 4, 0.05)[0]])

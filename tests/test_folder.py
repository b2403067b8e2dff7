"""A study's folder: one holder, one spec."""

from __future__ import annotations

import multiprocessing
import re

import pytest

from yolo_dropout.errors import SpecError, StudyFolderError
from yolo_dropout.folder import check_same_study, hold, read_config, read_study_file, write_study_file
from yolo_dropout.layout import StudyFolder
from yolo_dropout.spec import StudySpec


def spec(**changes: object) -> StudySpec:
    return StudySpec(**({"model": "m.yaml", "data": "d.yaml", "rates": (0, 0.1), "train": {"epochs": 5}} | changes))


@pytest.fixture
def folder(tmp_path):
    folder = StudyFolder(tmp_path / "study")
    write_study_file(folder, spec(), {"task": "detect"})
    return folder


def test_a_study_file_gives_back_the_spec_and_what_was_found(folder):
    stored, facts = read_study_file(folder)
    assert stored == spec()
    assert facts["prepared"] == {"task": "detect"}


def test_a_study_file_is_a_config(folder):
    assert StudySpec.from_dict(read_config(folder.spec)) == spec()


@pytest.mark.parametrize(
    "changes",
    [{}, {"rates": (0, 0.1, 0.4)}, {"seeds": 9}, {"score": "val/loss@last"}, {"alpha": 0.1}],
)
def test_more_rates_or_seeds_or_another_score_go_on_with_the_study(folder, changes):
    check_same_study(folder, spec(**changes))


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"model": "n.yaml"}, "model was 'm.yaml', is 'n.yaml'"),
        ({"data": "e.yaml"}, "data was 'd.yaml', is 'e.yaml'"),
        ({"where": "neck"}, "where was 'head', is 'neck'"),
        ({"kind": "dropout"}, "kind was 'auto', is 'dropout'"),
        ({"schedule": "linear"}, "schedule was 'constant', is 'linear'"),
        ({"train": {"epochs": 6}}, "epochs was 5, is 6"),
        ({"train": {}}, "epochs was 5, is 'not given'"),
        ({"train": {"epochs": 5, "imgsz": 32}}, "imgsz was 'not given', is 32"),
        ({"rates": (0, 0.2)}, "rates lack 0.1, which the study has"),
        ({"seeds": [1, 2]}, "seeds lack 0, which the study has"),
    ],
)
def test_another_study_is_refused_with_the_difference(folder, changes, difference):
    with pytest.raises(SpecError, match=f": holds another study: {re.escape(difference)}; use another --out$"):
        check_same_study(folder, spec(**changes))


def test_an_input_whose_content_has_changed_is_refused(tmp_path):
    data, folder = tmp_path / "d.yaml", StudyFolder(tmp_path / "study")
    data.write_text("names: [a]")
    asked = spec(data=str(data))
    write_study_file(folder, asked, {})
    check_same_study(folder, asked)
    data.write_text("names: [b]")
    with pytest.raises(SpecError, match=r"the content of .+d\.yaml has changed"):
        check_same_study(folder, asked)


def test_paths_in_a_config_are_taken_from_beside_it(tmp_path):
    (tmp_path / "m.yaml").write_text("")
    (tmp_path / "study.yaml").write_text("model: m.yaml\ndata: elsewhere.yaml\n")
    assert read_config(tmp_path / "study.yaml") == {"model": str(tmp_path / "m.yaml"), "data": "elsewhere.yaml"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [1", r"is no valid YAML \(.+, line 1\); mend it"),
        ("a: b\n\tc: d", r"is no valid YAML \(.+, line 2\); mend it"),
        ("- 1\n", r"must hold `field: value` lines, got list"),
        ("", r"must hold `field: value` lines, got NoneType"),
        ("model: !!python/object/apply:os.system ['true']", r"is no valid YAML \(could not determine a constructor"),
    ],
)
def test_a_broken_config_is_told(tmp_path, content, message):
    path = tmp_path / "study.yaml"
    path.write_text(content)
    with pytest.raises(SpecError, match=message):
        read_config(path)


def _hold_and_wait(folder, held, release):
    with hold(folder):
        held.set()
        release.wait(60)


def test_a_second_sweep_is_told_who_works_there_and_a_dead_holder_frees_the_folder(tmp_path):
    folder = StudyFolder(tmp_path)
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    holder = context.Process(target=_hold_and_wait, args=(folder, held, release))
    holder.start()
    assert held.wait(60)
    with pytest.raises(StudyFolderError, match=f"another sweep works here .host .+, process {holder.pid}, since 20"):
        hold(folder).__enter__()
    holder.kill()
    holder.join()
    with hold(folder):
        pass


def test_an_out_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyFolderError, match=r"--out: .+file cannot be written \(.+\); choose another"):
        hold(StudyFolder(tmp_path / "file")).__enter__()
    with pytest.raises(StudyFolderError, match=r"cannot be written \(.+\); choose another"):
        hold(StudyFolder(tmp_path / "file" / "study")).__enter__()

"""A study's folder: one holder, one spec."""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import re
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from yolo_dropout.errors import SpecError, StudyFolderError
from yolo_dropout.executors import Backend, Found
from yolo_dropout.folder.claim import hold
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.same_study import UNPLANNED, check_same_data, check_same_study
from yolo_dropout.folder.study_file import StudyFile, read_config, read_study_file, stored_study, write_study_file
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import inspect, load_study


def check_study(folder: StudyFolder, asked: StudySpec) -> str | None:
    return check_same_study(folder, asked, stored_study(folder))


def check_data(folder: StudyFolder, asked: StudySpec, prepared: dict[str, object]) -> None:
    check_same_data(folder, asked, prepared, stored_study(folder))


def spec(**changes: object) -> StudySpec:
    return StudySpec(**({"model": "m.yaml", "data": "d.yaml", "rates": (0, 0.1), "train": {"epochs": 5}} | changes))


@pytest.fixture
def folder(tmp_path):
    folder = StudyFolder(tmp_path / "study")
    write_study_file(folder, spec(), {"task": "detect"})
    return folder


def test_a_study_file_gives_back_the_spec_and_what_was_found(folder):
    stored = read_study_file(folder)
    assert stored == stored_study(folder)
    assert (stored.spec, stored.prepared) == (spec(), {"task": "detect"})


def test_a_study_file_is_a_config(folder):
    assert StudySpec.from_dict(read_config(folder.spec)) == spec()


@pytest.mark.parametrize(
    "changes",
    [{}, {"rates": [0, 0.1, 0.4]}, {"seeds": 9}, {"score": "val/loss@last"}, {"alpha": 0.1}],
)
def test_more_rates_or_seeds_or_another_score_go_on_with_the_study(folder, changes):
    check_study(folder, spec(**changes))


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
        ({"seeds": [1, 2]}, "seeds lack 0, 3, 4, which the study has"),
    ],
)
def test_another_study_is_refused_with_the_difference(folder, changes, difference):
    with pytest.raises(SpecError, match=f": holds another study: {re.escape(difference)}; use another --out$"):
        check_study(folder, spec(**changes))


def test_an_input_whose_content_has_changed_is_refused(tmp_path):
    data, folder = tmp_path / "d.yaml", StudyFolder(tmp_path / "study")
    data.write_text("names: [a]")
    asked = spec(data=str(data))
    write_study_file(folder, asked, {})
    check_study(folder, asked)
    data.write_text("names: [b]")
    with pytest.raises(SpecError, match=r"the content of .+d\.yaml has changed"):
        check_study(folder, asked)


def test_a_model_and_data_that_have_moved_are_the_same_study(tmp_path):
    folder, places = StudyFolder(tmp_path / "study"), [tmp_path / name for name in ("old", "new")]
    for place in places:
        place.mkdir()
        (place / "m.pt").write_text("weights")
        (place / "d.yaml").write_text("names: [a]")
    old, new = (spec(model=str(place / "m.pt"), data=str(place / "d.yaml")) for place in places)
    write_study_file(folder, old, {"data_digest": "a"})
    check_study(folder, new)
    check_data(with_run(folder), new, {"data_digest": "a"})
    with pytest.raises(SpecError, match="images or labels"):
        check_data(folder, new, {"data_digest": "b"})
    (places[1] / "m.pt").write_text("others")
    (places[1] / "d.yaml").write_text("names: [b]")
    with pytest.raises(SpecError, match=r"model was '.+old/m\.pt', is '.+new/m\.pt'; data was .+old/d"):
        check_study(folder, new)


def test_labels_that_have_changed_within_their_size_are_refused(tmp_path):
    folder, asked = StudyFolder(tmp_path / "study"), spec()
    before = {"data_digest": "a", "data_content": "x"}
    write_study_file(folder, asked, before)
    check_data(with_run(folder), asked, before)
    with pytest.raises(SpecError, match="images or labels"):
        check_data(folder, asked, before | {"data_content": "y"})


def test_folds_stay_as_they_are_where_the_data_is_another(tmp_path):
    folder, asked = with_run(StudyFolder(tmp_path)), spec(folds=2)
    write_study_file(folder, asked, {"data_digest": "a"})
    found, split = Mock(return_value=Found(task="detect", n_train=4, n_val=4, data_digest="b")), Mock()
    executor = SimpleNamespace(call=lambda function, *arguments, log: function(*arguments))
    backend, stored = Backend(found, None, None, split), stored_study(folder)
    with pytest.raises(SpecError, match="images or labels"):
        inspect(asked, folder, stored, executor, backend, folds=folder.folds, log=tmp_path / "log")
    assert found.called and not split.called


def test_a_folder_of_images_may_have_moved_where_they_can_be_compared(tmp_path):
    folder = StudyFolder(tmp_path / "study")
    for found, refused in ({}, True), ({"data_digest": "a"}, False):
        write_study_file(folder, spec(data="old/digits"), found)
        with pytest.raises(SpecError, match="data was") if refused else contextlib.nullcontext():
            check_study(folder, spec(data="new/digits"))


def test_facts_that_somebody_has_spoilt_count_as_none(folder):
    folder.spec.write_text(folder.spec.read_text().replace("looked: []", "looked: 3").replace("task: detect", "- x"))
    assert read_study_file(folder) == StudyFile(spec(), looked=())


def with_run(folder: StudyFolder) -> StudyFolder:
    folder.run("p0.00-s0").path.mkdir(parents=True)
    folder.run("p0.00-s0").record.write_text("{}")
    return folder


def test_a_study_file_that_is_cut_off_anywhere_is_read_or_told(folder):
    text = folder.spec.read_text()
    for end in range(1, len(text)):
        folder.spec.write_text(text[:end])
        with contextlib.suppress(SpecError):
            read_study_file(folder)


def test_data_that_has_changed_since_a_run_is_refused(tmp_path):
    folder = StudyFolder(tmp_path / "study")
    was, now = ({"data_digest": digest, "n_train": n, "n_val": 4} for digest, n in (("a", 3), ("b", 12)))
    write_study_file(folder, spec(), was)
    check_data(folder, spec(), now)  # nothing has been trained on the other images
    with pytest.raises(
        SpecError, match=r"of d\.yaml have changed \(3 \+ 4 images then, 12 \+ 4 images now\); use anot"
    ):
        check_data(with_run(folder), spec(), now)
    check_data(folder, spec(), was)
    check_data(folder, spec(), {})  # a backend that cannot tell


def test_a_study_that_adds_seeds_by_itself_goes_by_one_score(tmp_path):
    folder, asked = StudyFolder(tmp_path / "study"), spec(until_decided=True, seeds=5, score="val/loss")
    write_study_file(folder, asked, {})
    check_study(folder, spec(until_decided=True, seeds=5, score="val/loss@min"))
    told = r"score was val/loss@min, is val/loss@last, and told when to stop adding seeds; the report has other"
    with pytest.raises(SpecError, match=told):
        check_study(folder, spec(until_decided=True, seeds=5, score="val/loss@last"))


@pytest.mark.parametrize(
    ("seeds", "told", "looked"),
    [((3, 3), True, []), ((3, 5), True, [3]), ((3, 5, 5, 8), True, [3, 5]), ((2, 5), True, []), ((3, 5), False, [])],
)
@pytest.mark.parametrize("most", [None, 12])
def test_seeds_that_are_added_after_a_verdict_are_remembered(tmp_path, seeds, told, looked, most):
    """And what that means is told unless it was planned."""
    folder = StudyFolder(tmp_path / "study")
    for count in seeds:
        write_study_file(folder, spec(seeds=count, max_seeds=most), {}, stored_study(folder))
        if told:
            folder.verdict.write_text("{}")
    assert list(read_study_file(folder).looked) == looked
    notes = [
        note for note in load_study(folder.path).notes if note.startswith("seeds were added after the verdict on 3")
    ]
    assert len(notes) == bool(looked and most is None)


def test_how_many_seeds_may_be_added_is_fixed_when_a_study_begins(tmp_path):
    planned, before = StudyFolder(tmp_path / "planned"), StudyFolder(tmp_path / "before")
    write_study_file(planned, spec(), {})
    write_study_file(before, spec(max_seeds=None), {})
    assert "max_seeds" not in before.spec.read_text()
    write_study_file(before, spec(), {}, stored_study(before))
    assert read_study_file(before).spec.max_seeds is None
    assert read_study_file(planned).spec.max_seeds == 12
    with pytest.raises(SpecError, match="max_seeds was 12, is 20; use another --out"):
        check_study(planned, spec(max_seeds=20))


def test_a_study_without_a_plan_for_more_seeds_goes_on_without_and_says_so(tmp_path):
    before = StudyFolder(tmp_path)
    write_study_file(before, spec(max_seeds=None), {})
    before.run("p0.00-s0").path.mkdir(parents=True)
    before.run("p0.00-s0").record.touch()
    assert check_study(before, spec()) is None
    assert check_study(before, spec(max_seeds=5)) == f"max_seeds=5: {UNPLANNED}"


def test_paths_in_a_config_are_taken_from_beside_it(tmp_path):
    (tmp_path / "m.yaml").write_text("")
    (tmp_path / "study.yaml").write_text("model: m.yaml\ndata: elsewhere.yaml\n")
    assert read_config(tmp_path / "study.yaml") == {"model": str(tmp_path / "m.yaml"), "data": "elsewhere.yaml"}


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


def test_seeds_cannot_be_added_by_their_scores_from_halfway_on(folder):
    with pytest.raises(SpecError, match="until_decided was False, is True; use another --out"):
        check_study(folder, spec(until_decided=True, seeds=12))


def test_arguments_that_are_tuples_are_those_of_the_same_study(tmp_path):
    folder, asked = StudyFolder(tmp_path), spec(train={"epochs": 5, "classes": (0, 1), "imgsz": (64, 64)})
    write_study_file(folder, asked, {})
    check_study(folder, asked)


def test_a_full_disk_does_not_keep_from_holding_a_folder(folder, monkeypatch):
    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with hold(folder):
        pass

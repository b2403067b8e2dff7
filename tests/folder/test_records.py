"""A run is finished when its run.json says so, and only then."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from permissions import bound_by_permissions

from yolo_dropout.errors import InputError
from yolo_dropout.folder.layout import RunFolder, StudyFolder
from yolo_dropout.folder.records import RunRecord, read_record, read_records, write_record

RECORD = RunRecord("0.1", 3, "finished", seconds=1.5, sites=("model.23.cv2",), proof={"kind": "dropout2d"})


def test_a_record_survives_its_file(tmp_path):
    for record in (RECORD, replace(RECORD, fold=2)):
        write_record(RunFolder(tmp_path), record)
        assert read_record(RunFolder(tmp_path)) == record


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"rate": 0.1, "se',
        "[]",
        "null",
        "{}",
        json.dumps({"rate": 0.1, "seed": 3, "status": "running", "sites": []}),
        json.dumps({"rate": "x", "seed": 3, "status": "finished", "sites": []}),
        json.dumps({"rate": float("inf"), "seed": 3, "status": "finished", "sites": []}),
        json.dumps({"rate": 0.1, "seed": 3, "fold": "0", "status": "finished", "sites": []}),
        json.dumps({"rate": 0.1, "seed": 3.5, "status": "finished", "sites": []}),
        json.dumps({"rate": 0.1, "seed": 3, "status": "finished", "sites": [], "surplus": 1}),
        *[
            json.dumps({"rate": 0.1, "seed": 3, "status": "finished", "sites": []} | {name: value})
            for name, values in {
                "rate": [[1], 2, 10**400],
                "epochs": ["4", [1], True],
                "seconds": ["x", [1], float("nan")],
                "error": [3, [1]],
                "note": [3, "\ud800"],
                "started": [3],
                "sites": [[1], [["a"]], 3],
                "proof": [3, "x", [1], None, {"branch_note": [1]}, {"deep": json.loads("[" * 100 + "]" * 100)}],
                "versions": [3, "x", [1], None, {"a": [1]}],
            }.items()
            for value in values
        ],
        "[" * 100_000,
        '{"rate": 0.1, "seed": ' + "9" * 5000 + "}",
    ],
)
def test_a_broken_record_is_told_and_counts_as_none(tmp_path, content):
    folder = StudyFolder(tmp_path)
    run = folder.run("p0.10-s3")
    run.path.mkdir(parents=True)
    run.record.write_text(content)
    with pytest.raises(
        InputError, match=r"run\.json: .+, so the run counts as not yet done|another version of yolo-dropout wrote it"
    ):
        read_record(run)
    records, notes = read_records(folder)
    assert records == ()
    assert len(notes) == 1


def test_a_renamed_folder_is_told_and_left_out(tmp_path):
    folder = StudyFolder(tmp_path)
    for name in ("p0.10-s3", "copy of p0.10-s3"):
        write_record(folder.run(name), RECORD)
        folder.run(name).results.write_text("epoch,val/loss\n1,2\n")
    records, notes = read_records(folder)
    assert records == (RECORD,)
    assert "the folder was renamed and is left out" in notes[0]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs POSIX permissions")
@pytest.mark.parametrize("locked", ["", "results.csv", "run.json"])
def test_a_run_that_may_not_be_read_is_told_and_the_others_count(locked):
    with tempfile.TemporaryDirectory() as root:  # pytest's own folders are closed to others
        Path(root).chmod(0o755)
        folder = StudyFolder(Path(root))
        for seed in (3, 4):
            run = folder.run(f"p0.10-s{seed}")
            write_record(run, replace(RECORD, seed=seed))
            run.results.write_text(HEAD + ROW.format(1))
        assert len(read_records(folder)[0]) == 2
        place = run.path / locked
        place.chmod(0)
        with bound_by_permissions():
            records, notes = read_records(folder)
        place.chmod(0o755)
    assert [record.seed for record in records] == [3]
    assert len(notes) == 1
    assert notes[0].startswith(f"{place}: cannot be read (")


def test_a_run_without_record_is_passed_over_and_anything_foreign_is_told(tmp_path):
    folder = StudyFolder(tmp_path)
    for name in ("p0.00-s0", "p0.125-s12", "p1e-05-s0", "train7"):
        folder.run(name).path.mkdir(parents=True)
    records, notes = read_records(folder)
    assert records == ()
    assert notes == (f"{folder.runs / 'train7'}: belongs to no run of this study and is left out",)


def test_a_finished_run_whose_results_are_gone_is_not_done(tmp_path):
    folder = StudyFolder(tmp_path)
    write_record(folder.run("p0.10-s3"), RECORD)
    records, notes = read_records(folder)
    assert records == ()
    assert "is gone, so the run counts as not yet done, and is set aside when it is trained again" in notes[0]


HEAD = "epoch,time,val/loss\n"
ROW = "{},1,2\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (HEAD + ROW.format(1) + ROW.format(2) + ROW.format(3), None),
        ("\ufeff" + HEAD + ROW.format(1) + ROW.format(2) + ROW.format(3), None),
        (HEAD + ROW.format(1) + ROW.format(2), "holds 2 readable epochs, and 3 were trained"),
        (HEAD + ROW.format(1) + ROW.format(2) + "3,1,x\n", "holds 2 readable epochs, and 3 were trained"),
        (HEAD + ROW.format(1) + ROW.format(2) + "3,1,2", "holds 2 readable epochs, and 3 were trained"),
        (HEAD + "".join(map(ROW.format, range(1, 6))), "holds 5 readable epochs, and 3 were trained"),
        ((HEAD + "".join(map(ROW.format, range(1, 4)))).replace(",", ";"), "is no results.csv of Ultralytics"),
        (HEAD.replace("epoch", "epo") + "".join(map(ROW.format, range(1, 4))), "is no results.csv of Ultralytics"),
        (HEAD, "holds no finished epoch"),
        ("", "is no results.csv of Ultralytics"),
    ],
)
def test_a_finished_run_whose_curves_are_not_those_that_were_trained_is_not_done(tmp_path, content, told):
    folder = StudyFolder(tmp_path)
    write_record(folder.run("p0.10-s3"), replace(RECORD, epochs=3))
    folder.run("p0.10-s3").results.write_text(content, encoding="utf-8")
    records, notes = read_records(folder)
    assert bool(records) is (told is None)
    assert told is None or (told in notes[0] and "so the run counts as not yet done" in notes[0])


def test_the_note_of_a_record_is_told(tmp_path):
    folder = StudyFolder(tmp_path)
    write_record(folder.run("p0.10-s3"), replace(RECORD, note="continued from last.pt"))
    folder.run("p0.10-s3").results.write_text(HEAD + ROW.format(1))
    assert read_records(folder)[1] == ("rate 0.1 seed 3: continued from last.pt",)

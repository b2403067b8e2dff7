"""The cache of what was read: it saves reading, and never says anything but what the files say."""

from __future__ import annotations

import json
import time

import fakes
import numpy as np
import pytest

from yolo_dropout.folder.layout import RunFolder, StudyFolder
from yolo_dropout.folder.readings import Readings
from yolo_dropout.folder.records import RunRecord, read_record, write_record
from yolo_dropout.folder.results_csv import read_results
from yolo_dropout.folder.study_file import write_study_file
from yolo_dropout.spec.runs import plan
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import load_study

SPEC = StudySpec(model="m", data="d", rates=(0, 0.1), seeds=2, train={"epochs": 4})


def in_an_hour():
    return time.time_ns() + 3600 * 10**9


def read_all(folder, now_ns=in_an_hour):
    """Read every run, and remember it."""
    readings = Readings(folder, now_ns)
    read = {}
    for run in plan(SPEC):
        where = folder.run(run.name)
        read[run.name] = (readings.record(where), readings.results(where.results))
    readings.save()
    return read


@pytest.fixture
def folder(tmp_path):
    """A finished study."""
    study = StudyFolder(tmp_path)
    for run in plan(SPEC):
        fakes.write_results(study.run(run.name).results, run.rate, run.seed, 4)
        write_record(
            study.run(run.name), RunRecord(run.treatment, run.seed, "finished", epochs=4, sites=("a",), proof={"x": 1})
        )
    write_study_file(study, SPEC, {})
    return study


def same(read, where: RunFolder):
    """Whether a reading is what the files of a run hold now."""
    record, results = read
    fresh = read_results(where.results)
    return (
        record == read_record(where)
        and (results.metrics, results.notes) == (fresh.metrics, fresh.notes)
        and np.array_equal(results.epochs, fresh.epochs)
        and np.array_equal(results.matrix, fresh.matrix, equal_nan=True)
    )


def test_what_comes_from_the_cache_is_what_the_files_hold(folder):
    with folder.run("p0.10-s1").results.open("a") as stream:
        stream.write("3,1,inf,nan,5,6,7\n4,1,")  # an epoch again, and half a row
    read_all(folder)
    again = read_all(folder)
    assert all(same(again[run.name], folder.run(run.name)) for run in plan(SPEC))
    assert len(again["p0.10-s1"][1].notes) == 2


def test_a_file_that_has_not_changed_is_not_opened_again(folder):
    read_all(folder)
    with np.load(folder.readings) as arrays:
        index, values = json.loads(arrays["index"].tobytes()), arrays["values"]
    np.savez(folder.readings, index=np.frombuffer(json.dumps(index).encode(), np.uint8), values=values + 1)
    written = folder.readings.stat().st_mtime_ns
    read = read_all(folder)["p0.00-s0"]
    assert read[1].epochs.tolist() == [2, 3, 4, 5]  # no file says so
    assert folder.readings.stat().st_mtime_ns == written, "nothing was new, so nothing was written"


def test_a_file_that_has_changed_is_read_again_though_its_size_is_the_same(folder):
    before = read_all(folder)["p0.00-s0"]
    results = folder.run("p0.00-s0").results
    text = results.read_text()
    results.write_text(text.replace(text[-2], "7" if text[-2] != "7" else "8"))
    after = read_all(folder)["p0.00-s0"]
    assert same(after, folder.run("p0.00-s0"))
    assert not np.array_equal(after[1].matrix, before[1].matrix)


def test_a_file_that_may_still_change_is_not_remembered(folder):
    read_all(folder, time.time_ns)
    with np.load(folder.readings) as arrays:
        assert b"finished" not in arrays["index"].tobytes()
        assert arrays["values"].size == 0


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\x03\x04 cut off"])
def test_a_broken_cache_is_none(folder, content):
    read_all(folder)
    folder.readings.write_bytes(content)
    assert same(read_all(folder)["p0.00-s0"], folder.run("p0.00-s0"))


@pytest.mark.parametrize(
    "change",
    [
        lambda index: [known.__setitem__(1, {}) for known in index["record"].values()],
        lambda index: [known[1].update(versions=3) for known in index["record"].values()],
        lambda index: [known[1].update(proof=[]) for known in index["record"].values()],
        lambda index: index["results"].update({run: [known[0], 7] for run, known in index["results"].items()}),
        lambda index: index.update(results=index["record"]),
        lambda index: index.update(record=index["results"], results=[]),
        lambda index: [known[1].__setitem__(2, [1] * len(known[1][2])) for known in index["results"].values()],
        lambda index: [known[1].__setitem__(3, [1]) for known in index["results"].values()],
        lambda index: [known[1].__setitem__(0, known[1][0] + 1) for known in index["results"].values()],
    ],
)
def test_a_cache_that_holds_something_else_is_none(folder, change):
    read_all(folder)
    with np.load(folder.readings) as arrays:
        index, values = json.loads(arrays["index"].tobytes()), arrays["values"]
    change(index)
    np.savez(folder.readings, index=np.frombuffer(json.dumps(index).encode(), np.uint8), values=values)
    again = read_all(folder)
    assert all(same(again[run.name], folder.run(run.name)) for run in plan(SPEC))


def test_a_cache_whose_values_are_gone_is_none(folder):
    read_all(folder)
    with np.load(folder.readings) as arrays:
        index = arrays["index"]
    np.savez(folder.readings, index=index, values=np.empty(0))
    assert same(read_all(folder)["p0.10-s1"], folder.run("p0.10-s1"))


def test_a_study_does_without_a_cache_that_cannot_be_written(folder):
    folder.readings.parent.write_text("mine")
    assert same(read_all(folder)["p0.00-s0"], folder.run("p0.00-s0"))
    assert len(load_study(folder.path, remember=True).records) == 4
    assert folder.readings.parent.read_text() == "mine"


def test_a_study_is_the_same_with_and_without_the_cache(folder):
    without = load_study(folder.path)
    assert not folder.readings.exists()
    read_all(folder)
    study = load_study(folder.path, remember=True)
    assert study.records == without.records
    assert study.curves.equals(without.curves)
    assert study.scores.equals(without.scores)

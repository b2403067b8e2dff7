"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from types import SimpleNamespace

import pytest

from yolo_dropout.base.files import atomic_path, check_values, set_aside, write_json, write_text
from yolo_dropout.errors import StudyFolderError
from yolo_dropout.folder.claim import clear_leftovers
from yolo_dropout.folder.layout import StudyFolder


def test_a_failing_writer_leaves_the_old_content_and_no_leftover(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_leftover_of_a_crash_does_not_block_the_next_write(tmp_path):
    (tmp_path / ".a.json.tmp-left.json").write_text("{")
    write_json(tmp_path / "a.json", {"x": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1}


def test_new_folders_are_made(tmp_path):
    write_text(tmp_path / "b" / "c.txt", "x")
    assert (tmp_path / "b" / "c.txt").read_text() == "x"


def test_a_path_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyFolderError, match=r"cannot be written \(.+\); choose another --out, or make it writable"):
        write_text(tmp_path / "file" / "x.txt", "x")


def test_a_disk_that_can_hold_no_more_files_is_told_from_one_that_is_full(tmp_path, monkeypatch):
    def write():
        with atomic_path(tmp_path / "x"):
            raise OSError(errno.ENOSPC, "No space left on device")

    for left, told in ((5, "free some disk space"), (0, r"no more files \(inodes\)")):
        monkeypatch.setattr(os, "statvfs", lambda path, left=left: SimpleNamespace(f_files=9, f_favail=left))
        with pytest.raises(StudyFolderError, match=told):
            write()


@pytest.mark.parametrize(
    "values", [{"a": ["\ud800"]}, {"\ud800": 1}, json.loads("[" * 99 + "]" * 99), [0] * 100_001, [[0] * 1000] * 1000]
)
def test_values_that_no_file_of_ours_holds_are_refused(values):
    with pytest.raises(ValueError, match=r"nested too deeply|too many values|surrogates not allowed"):
        check_values(values)


def test_json_refuses_what_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert not list(tmp_path.iterdir())


def test_leftovers_are_cleared_and_nothing_else_is(tmp_path):
    kept = [tmp_path / ".hidden", tmp_path / "a.tmp-1", tmp_path / ".study.yaml.tmp-1.yaml"]
    kept += [tmp_path / "runs" / "p0.10-s0" / "weights" / ".x.tmp-1"]
    left = [tmp_path / ".study.yaml.tmp-abcd_123.yaml", tmp_path / "figures" / ".a.png.tmp-abcd_123.png"]
    left += [tmp_path / "runs" / "p0.10-s0" / ".run.json.tmp-abcd_123.json"]
    for path in (*kept, *left):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    clear_leftovers(StudyFolder(tmp_path))
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in left)


def test_what_a_killed_write_leaves_has_a_name_that_is_cleared(tmp_path):
    study = StudyFolder(tmp_path)
    run = study.run("p0.10-s0")
    run.path.mkdir(parents=True)
    made = [study.spec, study.verdict, study.report, study.table("curves"), study.figures / "val_loss.svg", run.record]
    for path in made:
        with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
            left = temporary.with_name(temporary.name)
            raise KeyboardInterrupt
        left.write_text("half")  # as if it had been killed there
    clear_leftovers(study)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_is_set_aside_takes_no_name_that_is_taken(tmp_path):
    for number in (1, 2):
        (tmp_path / "a").write_text(str(number))
        assert set_aside(tmp_path / "a") == tmp_path / f"a.aside-{number}"
    assert (tmp_path / "a.aside-1").read_text() == "1"

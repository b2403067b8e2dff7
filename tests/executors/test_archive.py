"""What travels between machines arrives whole, and writes nothing outside its folder."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest

from yolo_dropout.base.files import atomic_folder, files_below
from yolo_dropout.errors import InputError
from yolo_dropout.executors.ray import archive
from yolo_dropout.executors.ray.archive import pack, unpack
from yolo_dropout.folder.claim import clear_leftovers
from yolo_dropout.folder.layout import StudyFolder


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "empty").touch()
    (folder / "deep" / "er" / "a.bin").write_bytes(bytes(range(256)) * 5)
    (folder / "Ünïcode, long " / ("n" * 120)).parent.mkdir()
    (folder / "Ünïcode, long " / ("n" * 120)).write_text("x")
    return folder


def contents(folder):
    return {name: path.read_bytes() for name, path in files_below(folder).items()}


def test_a_folder_arrives_as_it_was(folder, tmp_path):
    unpack(pack(files_below(folder)), tmp_path / "there")
    assert contents(tmp_path / "there") == contents(folder)
    assert len(contents(folder)) == 3


def test_a_file_larger_than_a_chunk_arrives_in_several(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "CHUNK_BYTES", 700)
    chunks = list(pack(files_below(folder)))
    assert len(chunks) > 3
    unpack(chunks, tmp_path / "there")
    assert contents(tmp_path / "there") == contents(folder)


def test_equal_contents_make_equal_archives_and_the_digest_is_that_of_the_bytes(folder, tmp_path):
    unpack(pack(files_below(folder)), tmp_path / "copy")
    first, second = (b"".join(pack(files_below(place))) for place in (folder, tmp_path / "copy"))
    assert first == second
    assert unpack([first], tmp_path / "again") == hashlib.sha256(first).hexdigest()
    (folder / "empty").write_text("no longer")
    assert b"".join(pack(files_below(folder))) != first


@pytest.mark.parametrize("name", ["../outside", "/outside", "deep/../../outside", "C:/outside", "..\\outside"])
def test_a_name_that_leads_outside_is_refused(name, tmp_path):
    with pytest.raises(InputError, match="must hold plain files below its folder"):
        unpack(pack({name: b"evil"}), tmp_path / "there")
    assert not (tmp_path / "outside").exists()


def test_a_link_is_refused(tmp_path):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(InputError, match="must hold plain files below its folder, got 'link'"):
        unpack([stream.getvalue()], tmp_path)


def test_an_archive_that_is_cut_off_is_refused(folder, tmp_path):
    whole = b"".join(pack(files_below(folder)))
    with pytest.raises(InputError, match="is broken"):
        unpack([whole[:900]], tmp_path / "there")


def test_links_are_followed_once(folder, tmp_path):
    (folder / "round").symlink_to(folder)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b").write_text("b")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    names = set(files_below(folder))
    assert "link/b" in names
    assert not any(name.startswith("round/") for name in names)


def test_a_folder_is_replaced_at_once_or_not_at_all(tmp_path):
    study = StudyFolder(tmp_path)
    place = study.runs / "p0.10-s0"
    with atomic_folder(place) as folder:
        (folder / "old").touch()
    with pytest.raises(ZeroDivisionError), atomic_folder(place) as folder:
        (folder / "new").touch()
        raise ZeroDivisionError
    assert set(files_below(place)) == {"old"}
    with atomic_folder(place) as folder:
        (folder / "new").touch()
    assert set(files_below(place)) == {"new"}
    assert [path.name for path in study.runs.iterdir()] == ["p0.10-s0"]


def test_what_a_crash_leaves_of_a_half_unpacked_folder_is_cleared_away(tmp_path):
    left = tmp_path / "runs" / ".p0.10-s0.tmp-abcd_123"
    left.mkdir(parents=True)
    (left / "results.csv").touch()
    clear_leftovers(StudyFolder(tmp_path))
    assert list((tmp_path / "runs").iterdir()) == []

"""The cache of a node: by content, with a limit, and what is in use stays."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("fcntl", reason="needs POSIX file locks")

from yolo_dropout.errors import InputError
from yolo_dropout.executors.ray.archive import pack, unpack
from yolo_dropout.executors.ray.cache import ContentCache


def sent(tmp_path, text):
    chunks = list(pack({"file": text.encode()}))
    return unpack(chunks, tmp_path / f"sent-{text[:9]}"), len(text), lambda: chunks


def test_content_is_unpacked_once_and_found_by_others(tmp_path):
    digest, size, archive = sent(tmp_path, "hello")
    place = ContentCache(tmp_path / "cache").fetch(digest, size, archive)
    assert (place / "file").read_text() == "hello"
    assert ContentCache(tmp_path / "cache").fetch(digest, size, lambda: ()) == place


def test_other_content_than_was_named_is_refused_and_leaves_nothing(tmp_path):
    digest, size, _ = sent(tmp_path, "hello")
    with pytest.raises(InputError, match="did not arrive as it was sent"):
        ContentCache(tmp_path / "cache").fetch(digest, size, lambda: pack({"file": b"other"}))
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def fetch_elsewhere(cache: Path, digest: str, size: int, archive) -> None:
    """In a process of its own, which ends and so uses nothing any longer."""
    code = "import sys; from yolo_dropout.executors.ray.cache import ContentCache; from pathlib import Path\n"
    code += f"ContentCache(Path({str(cache)!r})).fetch({digest!r}, {size}, lambda: {archive()!r})\n"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_process_that_uses_the_content_keeps_no_other_from_using_it(tmp_path):
    content = sent(tmp_path, "hello")
    ContentCache(tmp_path / "cache").fetch(*content)
    fetch_elsewhere(tmp_path / "cache", *content)


def test_what_was_used_longest_ago_is_evicted_but_never_what_is_in_use(tmp_path):
    old, middle, new = (sent(tmp_path, f"{name}{'.' * 400}") for name in ("old", "middle", "new"))
    fetch_elsewhere(tmp_path / "cache", *old)
    time.sleep(0.05)
    fetch_elsewhere(tmp_path / "cache", *middle)
    cache = ContentCache(tmp_path / "cache", limit_bytes=1000)
    cache.fetch(*new)
    assert not (cache.root / old[0]).exists()
    assert (cache.root / middle[0]).exists()
    other = ContentCache(tmp_path / "cache", limit_bytes=1000)
    other.fetch(*old)
    assert not (cache.root / middle[0]).exists()
    assert (cache.root / new[0]).exists()
    with pytest.raises(InputError, match="set YOLO_DROPOUT_CACHE_GB on the nodes"):
        ContentCache(tmp_path / "cache", limit_bytes=1000).fetch(*middle)


def test_folders_of_processes_that_have_ended_are_cleared_away_and_others_stay(tmp_path):
    code = "import sys; from pathlib import Path; from yolo_dropout.executors.ray.cache import ContentCache\n"
    code += f"(ContentCache(Path({str(tmp_path)!r})).scratch() / 'left').touch()"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(list(tmp_path.glob("scratch/*/left"))) == 1
    cache = ContentCache(tmp_path)
    mine = cache.scratch()
    other = ContentCache(tmp_path).scratch()
    assert list(tmp_path.glob("scratch/*/left")) == []
    assert mine.is_dir()
    assert other.is_dir()


def test_the_environment_says_where_and_how_much(tmp_path):
    cache = ContentCache.of_environment({"YOLO_DROPOUT_CACHE": str(tmp_path), "YOLO_DROPOUT_CACHE_GB": "0.5"})
    assert (cache.root, cache.limit_bytes) == (tmp_path, 0.5e9)
    with pytest.raises(InputError, match="must be a number of gigabytes, got 'much'"):
        ContentCache.of_environment({"YOLO_DROPOUT_CACHE": str(tmp_path), "YOLO_DROPOUT_CACHE_GB": "much"})

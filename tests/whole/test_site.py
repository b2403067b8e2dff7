"""What the check of the built site finds; `.ci/run` builds the real one."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

faults = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "build_site.py"))["faults"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").touch()
    (tmp_path / "mkdocs.yml").write_text("nav:\n  - A: docs/a.md\n")
    (tmp_path / "site" / "a").mkdir(parents=True)
    (tmp_path / "site" / "a" / "index.html").write_text('<a href="#x"></a><a href="../index.html#y">')
    (tmp_path / "site" / "index.html").write_text('<a href="a/"></a><a href="https://example.org">')
    return tmp_path


def test_a_sound_site_has_no_faults(root: Path):
    assert list(faults(root, root / "site")) == []


def test_a_menu_that_names_too_much_or_too_little_is_told(root: Path):
    (root / "docs" / "b.md").touch()
    (root / "docs" / "a.md").unlink()
    assert list(faults(root, root / "site")) == [
        "mkdocs.yml: docs/a.md is missing",
        "mkdocs.yml: docs/b.md is in no menu",
    ]


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ('<img src="none.png">', "none.png leads nowhere"),
        ('<a href="b/">', "b/ leads nowhere"),
        ('<script src="https://example.org/x.js">', "fetches https://example.org/x.js from elsewhere"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "fetches //example.org/x.css from elsewhere"),
    ],
)
def test_what_leads_nowhere_or_is_fetched_from_elsewhere_is_told(root: Path, tag: str, told: str):
    (root / "site" / "index.html").write_text(tag)
    assert list(faults(root, root / "site")) == [f"index.html: {told}"]

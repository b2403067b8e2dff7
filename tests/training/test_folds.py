"""Every image validates once, classes are spread evenly, and each fold is a data set of its own."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.training.folds import files as fold_files
from yolo_dropout.training.folds.assignment import Example, assign_folds, rare_classes
from yolo_dropout.training.folds.files import write_folds


def examples_of(*classes: set[int]) -> list[Example]:
    return [Example(Path(f"{place}.jpg"), frozenset(shown)) for place, shown in enumerate(classes)]


DATA_SETS = st.integers(2, 6).flatmap(
    lambda folds: st.tuples(
        st.just(folds), st.lists(st.sets(st.integers(0, 5), max_size=3), min_size=2 * folds, max_size=60)
    )
)


@given(DATA_SETS)
def test_every_image_validates_once_and_sizes_differ_by_one_at_most(drawn):
    folds, classes = drawn
    fold_of = assign_folds(examples_of(*classes), folds)
    sizes = np.bincount(fold_of, minlength=folds)
    assert sizes.sum() == len(classes) and len(sizes) == folds
    assert sizes.max() - sizes.min() <= 1


@given(DATA_SETS)
def test_with_one_class_per_image_each_class_is_spread_as_evenly_as_can_be(drawn):
    folds, classes = drawn
    single = [set(sorted(shown)[:1]) for shown in classes]
    fold_of = assign_folds(examples_of(*single), folds)
    for name in {frozenset(shown) for shown in single}:
        counts = np.bincount([fold_of[place] for place, shown in enumerate(single) if shown == name], minlength=folds)
        assert counts.max() - counts.min() <= 2  # 1 but for the last images, which go where there is room


@given(DATA_SETS)
def test_the_same_images_give_the_same_folds(drawn):
    folds, classes = drawn
    examples = examples_of(*classes)
    assert np.array_equal(assign_folds(examples, folds), assign_folds(examples, folds))


def test_shares_of_several_classes_per_image_stay_close():
    rng = np.random.default_rng(1)
    shares = np.array([0.7, 0.3, 0.2, 0.1])
    classes = [set(np.flatnonzero(rng.random(4) < shares)) for _ in range(200)]
    fold_of = assign_folds(examples_of(*classes), 5)
    for name in range(4):
        counts = np.bincount([fold_of[place] for place, shown in enumerate(classes) if name in shown], minlength=5)
        assert counts.max() - counts.min() <= (3 if name == 0 else 1)  # at random it is about 6 for each


def test_too_few_images_are_refused_with_the_way_out():
    with pytest.raises(SpecError, match=r"at least 2 images, got 4 folds of 7 .*; use --folds 3 at most"):
        assign_folds(examples_of(*[{0}] * 7), 4)
    with pytest.raises(SpecError, match=r"got 2 folds of 3 images; leave --folds out"):
        assign_folds(examples_of(*[{0}] * 3), 2)
    assert Counter(assign_folds(examples_of(*[{0}] * 8), 4)) == {0: 2, 1: 2, 2: 2, 3: 2}


def test_a_class_with_fewer_images_than_folds_is_told():
    examples = examples_of({0}, {0}, {0, 1}, {0}, {0}, {0})
    assert rare_classes(examples, 3, {0: "cat", 1: "dog"}) == (
        "classes with fewer images than the 3 folds, which some folds validate without: dog (1)"
    )
    assert rare_classes(examples_of({0}, {0}), 2, {0: "cat"}) is None


@pytest.fixture
def pictures(tmp_path) -> list[Example]:
    """Images of one name in two folders; every third has no label."""
    found = []
    for split in ("train", "val"):
        for place in range(6):
            image, label = (tmp_path / "data" / kind / split / f"{place}{end}" for kind, end in KINDS)
            for file in (image, label):
                file.parent.mkdir(parents=True, exist_ok=True)
            image.write_text(f"{split} {place}")
            if place % 3:
                label.write_text(f"{place % 2} 0.5 0.5 0.1 0.1\n")
            found.append(Example(image, frozenset({place % 2} if place % 3 else ()), label if place % 3 else None))
    return found


KINDS = (("images", ".jpg"), ("labels", ".txt"))


def content(folder: Path) -> set[str]:
    return {file.read_text() for file in folder.iterdir()}


def test_folds_are_plain_data_sets_and_lose_no_image_of_the_same_name(tmp_path, pictures):
    places = write_folds(pictures, 3, tmp_path / "folds", {"names": {0: "a", 1: "b"}, "nc": 2})
    everything = {example.image.read_text() for example in pictures}
    assert len(everything) == 12
    validated = []
    for place in places:
        fields = yaml.safe_load(place.read_text())
        assert fields == {"train": "images/train", "val": "images/val", "names": {0: "a", 1: "b"}, "nc": 2}
        train, val = (content(place.parent / fields[split]) for split in ("train", "val"))
        assert train | val == everything and not train & val
        validated += sorted(val)
        for split in ("train", "val"):
            labels = {file.stem for file in (place.parent / "labels" / split).iterdir()}
            images = {file.stem: file.read_text() for file in (place.parent / "images" / split).iterdir()}
            assert labels == {stem for stem, text in images.items() if int(text.split()[1]) % 3}
    assert Counter(validated) == Counter(everything)


def test_splits_csv_tells_where_each_image_validates(tmp_path, pictures):
    write_folds(pictures, 3, tmp_path / "folds", {})
    with (tmp_path / "folds" / "splits.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image"] for row in rows] == [str(example.image) for example in pictures]
    for row in rows:
        assert Path(row["image"]).read_text() in content(tmp_path / "folds" / f"f{row['fold']}" / "images" / "val")


def test_classes_keep_their_numbers_in_a_fold_that_lacks_one(tmp_path, pictures):
    named = [Example(item.image, frozenset({place > 0}), folder="ab"[place > 0]) for place, item in enumerate(pictures)]
    for place in write_folds(named, 2, tmp_path / "folds", None):
        assert [sorted(folder.name for folder in (place / split).iterdir()) for split in ("train", "val")] == [
            ["a", "b"],
            ["a", "b"],
        ]


def test_folds_that_are_there_stay_as_they_are(tmp_path, pictures):
    out = tmp_path / "folds"
    write_folds(pictures, 3, out, {})
    cache = out / "f0" / "labels" / "train.cache"
    cache.write_text("warm")
    write_folds(pictures, 3, out, {})
    assert cache.read_text() == "warm"


def test_other_images_or_folds_than_before_are_refused(tmp_path, pictures):
    write_folds(pictures, 3, tmp_path / "folds", {})
    for examples, folds in ((pictures[:-1], 3), (pictures, 2)):
        with pytest.raises(InputError, match="was made from other images, or for other folds; use another --out"):
            write_folds(examples, folds, tmp_path / "folds", {})


def test_images_that_have_moved_keep_their_folds(tmp_path, pictures):
    out = tmp_path / "folds"
    write_folds(pictures, 3, out, {})
    before, rows = content(out / "f0" / "images" / "val"), (out / "splits.csv").read_text()
    old, new = tmp_path / "data", tmp_path / "elsewhere"
    old.rename(new)
    moved = [replace(example, image=new / example.image.relative_to(old), label=None) for example in pictures]
    write_folds(moved, 3, out, {})
    assert content(out / "f0" / "images" / "val") == before
    assert (out / "splits.csv").read_text() == rows.replace(str(old), str(new))


def test_where_symbolic_links_are_refused_files_are_linked_all_the_same(tmp_path, pictures, monkeypatch):
    def refuse(*_):
        raise OSError("A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    source = tmp_path / "source.txt"
    source.write_text("one file")
    fold_files._link(source, tmp_path / "folds" / "place.txt")
    assert (tmp_path / "folds" / "place.txt").samefile(source)


def test_where_links_are_impossible_files_are_copied(tmp_path, pictures):
    source, place = pictures[0].image, tmp_path / "there" / "0.jpg"
    place.parent.mkdir()
    place.write_text("in the way of a link")
    fold_files._link(source, place)
    assert place.read_text() == source.read_text() and not place.is_symlink()

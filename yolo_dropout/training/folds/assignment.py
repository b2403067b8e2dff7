"""A data set cut into folds: which image validates in which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from yolo_dropout.base.text import few
from yolo_dropout.errors import SpecError

# The shuffle depends on the images and the number of folds alone, so that more seeds meet the same splits.
_SHUFFLE_SEED = 0
_LEAST_PER_FOLD = 2


@dataclass(frozen=True)
class Example:
    """One image of a data set.

    Attributes:
        image: The image file.
        classes: The classes that it shows; empty for a background image.
        label: Its label file; None where there is none, or in classification.
        folder: Name of its class folder in classification, else empty.
    """

    image: Path
    classes: frozenset[int]
    label: Path | None = None
    folder: str = ""


def assign_folds(examples: Sequence[Example], folds: int) -> npt.NDArray[np.int64]:
    """The fold in which each image validates; sizes differ by one at most.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011, On the stratification of multi-label data, ECML
    PKDD): the images of the rarest class first, each to the fold that lacks most of that class; of equal folds to
    the one that lacks most of the image's classes, then to the one with most room. Beyond that paper, a full fold
    takes no more, and images with many classes go first. Background images count as a class. With one class per
    image this is a stratified K-fold.

    Returns:
        Shape (n_images,), values from 0 to folds - 1; the same for the same images in the same order.

    Raises:
        SpecError: There are fewer than two images per fold.
    """
    if len(examples) < _LEAST_PER_FOLD * folds:
        most = len(examples) // _LEAST_PER_FOLD
        raise SpecError(
            f"folds: each needs at least {_LEAST_PER_FOLD} images, got {folds} folds of {len(examples)} images; "
            + (f"use --folds {most} at most" if most > 1 else "leave --folds out")
        )
    rng, names = np.random.default_rng(_SHUFFLE_SEED), sorted(set().union(*(item.classes for item in examples)))
    # Which image shows which class, shape (n_images, n_classes + 1); the last column is background.
    shows = np.array([[*(name in item.classes for name in names), not item.classes] for item in examples])
    room = np.full(folds, len(examples) // folds) + (np.arange(folds) < len(examples) % folds)
    lacks = np.tile(shows.sum(0) / folds, (folds, 1))  # fold by class
    fold_of = np.full(len(examples), -1)
    while (left := fold_of < 0).any():
        counts = shows[left].sum(0)
        rarest = int(np.where(counts > 0, counts, len(examples) + 1).argmin())
        images = rng.permutation(np.flatnonzero(left & shows[:, rarest]))
        for image in images[np.argsort(-shows[images].sum(1), kind="stable")]:
            share = (lacks / shows.sum(0).clip(1))[:, shows[image]].sum(1)
            chosen = np.lexsort((rng.random(folds), room, share, lacks[:, rarest], room > 0))[-1]
            fold_of[image] = chosen
            room[chosen] -= 1
            lacks[chosen] -= shows[image]
    return fold_of


def rare_classes(examples: Sequence[Example], folds: int, names: Mapping[int, str]) -> str | None:
    """A line about classes that some fold must validate without; None where there are none."""
    shown = [name for example in examples for name in example.classes]
    counts = sorted(Counter(shown).items())
    rare = [f"{names.get(name, name)} ({count})" for name, count in counts if count < folds]
    told = f"classes with fewer images than the {folds} folds, which some folds validate without: {few(rare, 5)}"
    return told if rare else None

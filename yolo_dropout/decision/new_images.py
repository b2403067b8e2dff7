"""How far a difference holds on other images: of differences by seed and image, what both add to the error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

LEAST_SEEDS, LEAST_IMAGES = 3, 8


@dataclass(frozen=True)
class OnImages:
    """A treatment's mean improvement on the control, image by image.

    Attributes:
        difference: Mean over seeds and images; positive is better.
        same: Limits for these very images, whatever the seed.
        new: Limits for other images like these too.
    """

    difference: float
    same: tuple[float, float]
    new: tuple[float, float]


def on_images(differences: npt.ArrayLike, level: float = 0.05) -> OnImages:
    """Limits of a mean difference, on the images at hand and on new ones like these.

    Seeds and images are crossed random effects. The variance of the mean takes the components of both from the mean
    squares, with one that would be negative as 0, and degrees of freedom after Satterthwaite. With few seeds these are
    more than the seeds alone give, so that the limits could come closer than those for the same images; they never do.

    Args:
        differences: Improvements within seeds, shape (n_seeds, n_images), without gaps.
        level: Of each limit, in (0, 0.5): each holds with confidence 1 - level.

    Returns:
        Limits that are NaN below `LEAST_SEEDS` seeds, and for new images below `LEAST_IMAGES` images.

    References:
        Satterthwaite 1946, "An approximate distribution of estimates of variance components", Biometrics Bulletin 2.
        Hillis 2007, "A comparison of denominator degrees of freedom methods for multiple observer ROC analysis",
        Statistics in Medicine 26.
    """
    table = np.asarray(differences, dtype=float)
    seeds, images = table.shape
    mean = float(table.mean())
    if seeds < LEAST_SEEDS:
        return OnImages(mean, (np.nan, np.nan), (np.nan, np.nan))
    by_seed, by_image = table.mean(axis=1), table.mean(axis=0)
    of_seeds = images * float(by_seed.var(ddof=1))
    same = _limits(mean, of_seeds / table.size, seeds - 1, level)
    if images < LEAST_IMAGES:
        return OnImages(mean, same, (np.nan, np.nan))
    of_images = seeds * float(by_image.var(ddof=1))
    rest_df = (seeds - 1) * (images - 1)
    rest = float(((table - by_seed[:, None] - by_image + mean) ** 2).sum()) / rest_df
    total = of_seeds + max(of_images - rest, 0.0)
    parts = of_seeds**2 / (seeds - 1)
    if of_images > rest:
        parts += of_images**2 / (images - 1) + rest**2 / rest_df
    df = max(total**2 / parts, 1.0) if parts > 0 else np.inf
    low, high = _limits(mean, total / table.size, df, level)
    return OnImages(mean, same, (min(low, same[0]), max(high, same[1])))


def _limits(mean: float, variance: float, df: float, level: float) -> tuple[float, float]:
    half = float(stats.t.ppf(1 - level, df)) * float(np.sqrt(variance))
    return mean - half, mean + half

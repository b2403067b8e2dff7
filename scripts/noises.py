"""Noise of simulated studies: made up, and drawn from real trainings without any effect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, int, int]], FloatArray]

# One row per run, all at rate 0.0; written by `null_study.py`.
NULL_STUDY = Path(__file__).parents[1] / "docs" / "data" / "null-study.csv"

# One row per run of studies with several rates; written by `paired_runs.py`.
PAIRED_RUNS = NULL_STUDY.with_name("paired-runs.csv")
PAIRED_RATES = 5
# A seed that is drawn twice would look like a tie, as of accuracies: in sd of a paired difference.
_BLUR = 0.05

MASKS_ALONE = "none at the control, growing x4, rates correlate at .85"

# Studies drawn from the pool at a time: each needs one random number per run of the pool.
_STUDIES_AT_A_TIME = 5_000


def scaled(factors: Callable[[int], Sequence[float]]) -> Noise:
    """Normal noise whose standard deviation per rate is factors(n_rates)."""
    return lambda rng, shape: rng.standard_normal(shape) * np.asarray(factors(shape[-1]))


def log_normal(sign: int) -> Noise:
    """Skewed noise of variance 1; sign 1 has its long tail towards high losses."""
    scale = np.sqrt((np.e - 1) * np.e)
    return lambda rng, shape: sign * (rng.lognormal(0, 1, shape) - np.exp(0.5)) / scale


def neighbours(rng: np.random.Generator, shape: tuple[int, int, int]) -> FloatArray:
    """Noise that correlates at 0.6 between neighbouring rates."""
    noise = rng.standard_normal(shape)
    for j in range(1, shape[-1]):
        noise[..., j] = 0.6 * noise[..., j - 1] + 0.8 * noise[..., j]
    return noise


def shared_but_for_dropout(growth: float, correlation: float) -> Noise:
    """Noise of runs that differ by their masks alone: none at the control, and growing from the lowest rate on.

    The masks of a seed are nested, so that its rates correlate.
    """

    def draw(rng: np.random.Generator, shape: tuple[int, int, int]) -> FloatArray:
        of_seed, own = rng.standard_normal((*shape[:2], 1)), rng.standard_normal(shape)
        factors = np.asarray([0, *np.linspace(1, growth, shape[-1] - 1)])
        return np.asarray((np.sqrt(correlation) * of_seed + np.sqrt(1 - correlation) * own) * factors)

    return draw


def drawn_from(pool: FloatArray) -> Noise:
    """Runs taken from a pool, none twice in the same study.

    Args:
        pool: Score of each run, lower is better, shape (n_runs,).
    """

    def draw(rng: np.random.Generator, shape: tuple[int, int, int]) -> FloatArray:
        studies, per_study = shape[0], shape[1] * shape[2]
        parts = []
        for start in range(0, studies, _STUDIES_AT_A_TIME):
            keys = rng.random((min(_STUDIES_AT_A_TIME, studies - start), len(pool)), dtype=np.float32)
            parts.append(pool[keys.argsort(axis=1)[:, :per_study]])
        return np.concatenate(parts).reshape(shape)

    return draw


@lru_cache(maxsize=1)
def null_pools() -> dict[str, FloatArray]:
    """The scores of real runs without any effect, by the name of their row in the tables.

    Returns:
        Per score: one value per run that finished, lower is better, shape (n_runs,).
    """
    runs = pd.read_csv(NULL_STUDY, index_col="seed").dropna()
    return {
        "real: digits-classify, lowest validation loss": runs["val/loss"].to_numpy(np.float64),
        "real: digits-classify, last five epochs": runs["val/loss@last5"].to_numpy(np.float64),
        "real: digits-classify, top-1 accuracy": -runs["metrics/accuracy_top1"].to_numpy(np.float64),
    }


@lru_cache(maxsize=1)
def paired_pools() -> dict[str, FloatArray]:
    """The scores of real paired runs, centred so that no rate has an effect, by the name of their row in the tables.

    Returns:
        Per score: lower is better, shape (n_seeds, n_rates), control first, in units in which a paired difference of
        the lowest rate has the sd of one between two independent runs of sd 1.
    """
    pools = {}
    for study, runs in pd.read_csv(PAIRED_RUNS).groupby("study", sort=False):
        for score, words in {"val/loss": "lowest validation loss", "val/loss@last10": "last ten epochs"}.items():
            wide = runs.pivot_table(index="seed", columns="rate", values=score).dropna().to_numpy(np.float64)
            if wide.shape[1] == PAIRED_RATES:
                centred = wide - wide.mean(0)
                unit = (centred[:, 1] - centred[:, 0]).std(ddof=1) / np.sqrt(2)
                pools[f"trained: {study}, {words}"] = centred / unit
    return pools


def drawn_seeds(pool: FloatArray) -> Noise:
    """Seeds taken from a pool with all of their runs, with replacement and slightly blurred."""
    blur = _BLUR * (pool - pool[:, :1]).std(0, ddof=1)  # none at the control

    def draw(rng: np.random.Generator, shape: tuple[int, int, int]) -> FloatArray:
        seeds = pool[rng.integers(len(pool), size=shape[:2])]
        return np.asarray((seeds + blur * rng.standard_normal(seeds.shape))[..., : shape[2]])

    return draw


NOISES: dict[str, Noise] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "Student t4": lambda rng, shape: rng.standard_t(4, shape) / np.sqrt(2),
    "skewed (log-normal)": log_normal(1),
    "sd grows with the rate x3": scaled(lambda n: np.linspace(1, 3, n).tolist()),
    "one rate 3x noisier": scaled(lambda n: [1] * (n - 1) + [3]),
    "control 2x noisier": scaled(lambda n: [2] + [1] * (n - 1)),
}
MORE_NOISES: dict[str, Noise] = {
    "control 3x noisier": scaled(lambda n: [3] + [1] * (n - 1)),
    "control 3x steadier": scaled(lambda n: [1 / 3] + [1] * (n - 1)),
    "half of the rates 3x noisier": scaled(lambda n: [1] * (n - (n - 1) // 2) + [3] * ((n - 1) // 2)),
    "Student t3": lambda rng, shape: rng.standard_t(3, shape) / np.sqrt(3),
    "Laplace": lambda rng, shape: rng.laplace(0, 1, shape) / np.sqrt(2),
    "uniform": lambda rng, shape: rng.uniform(-np.sqrt(3), np.sqrt(3), shape),
    "skewed the other way": log_normal(-1),
    "ties: each score is one of two": lambda rng, shape: rng.choice([-1.0, 1.0], shape),
    "neighbouring rates correlate at .6": neighbours,
    "none at the control, growing x3": scaled(lambda n: [0, *np.linspace(1, 3, n - 1)]),
    "none at the control, growing x2, rates correlate at .8": shared_but_for_dropout(2, 0.8),
    # As the embedded classifier's noise is, whose head alone learns.
    MASKS_ALONE: shared_but_for_dropout(4, 0.85),
}


def noise_named(name: str) -> Noise:
    """The noise of a row of the tables."""
    made_up = NOISES | MORE_NOISES
    if name in made_up:
        return made_up[name]
    paired = paired_pools()
    return drawn_seeds(paired[name]) if name in paired else drawn_from(null_pools()[name])

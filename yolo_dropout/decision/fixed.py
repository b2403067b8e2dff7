"""The verdict for a fixed number of seeds."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from yolo_dropout.decision.dunnett import critical_value, tail_probability
from yolo_dropout.decision.scores import FloatArray, read_scores
from yolo_dropout.decision.verdict import Comparison, Outcome, Verdict
from yolo_dropout.errors import ScoresError

MIN_BLOCKS = 3


class Contrasts(NamedTuple):
    """Every rate against the control; arrays of shape (..., n_rates - 1)."""

    n: npt.NDArray[np.int64]
    difference: FloatArray
    error: FloatArray
    df: float


def contrast(gains: FloatArray) -> Contrasts:
    """Mean paired differences and their standard errors: the larger of own and pooled variance.

    Args:
        gains: Scores, higher is better, control first, shape (n_seeds, n_rates); NaN where missing.

    Returns:
        The contrasts of the rates other than the control.
    """
    paired = gains[:, 1:] - gains[:, :1]
    n = np.isfinite(paired).sum(0)
    difference = np.array([_mean(column) for column in paired.T])
    own = np.array([_variance(column) for column in paired.T])
    residual, df = _residual_variance(gains)
    floor = 1e-12 * (np.nanmax(np.abs(gains)) or 1.0)
    variance = np.maximum(np.fmax(own, 2 * residual), floor**2)
    error = np.sqrt(variance / np.where(n >= 2, n, np.nan))
    return Contrasts(n, difference, error, df)


def decide(
    scores: npt.ArrayLike,
    rates: npt.ArrayLike,
    higher_is_better: bool = False,
    alpha: float = 0.05,
    *,
    relevant: float | None = None,
    score_name: str = "score",
) -> Verdict:
    """Say which dropout rate to use, as far as the scores allow.

    Args:
        scores: One score per run, shape (n_seeds, n_rates); NaN where a run is missing or failed.
        rates: Rate of each column, shape (n_rates,), in [0, 1); 0.0 is the control.
        higher_is_better: False for a loss, True for mAP or accuracy.
        alpha: Level of each claim, for all rates at once, in (0, 0.5).
        relevant: Gain that matters, in units of the score; by default one standard deviation of the
            control across seeds.
        score_name: What the score is called in the reason.

    Returns:
        The verdict with its reason.

    Raises:
        ScoresError: The scores or rates cannot be compared, or alpha or relevant is out of range.
    """
    if not 0 < alpha < 0.5:
        raise ScoresError(f"alpha: must be in (0, 0.5), got {alpha!r}; 0.05 is usual")
    if relevant is not None and not 0 < relevant < math.inf:
        raise ScoresError(f"relevant: must be a finite gain above 0, got {relevant!r}")
    gains, levels = read_scores(scores, rates, higher_is_better)
    contrasts = contrast(gains)
    comparisons = _comparisons(contrasts, levels[1:], alpha)
    if relevant is None:
        relevant = _sd(gains[:, 0])
    n_seeds = int(np.isfinite(gains[:, 1:] - gains[:, :1]).any(1).sum())
    outcome, rate = _outcome(comparisons, contrasts, relevant)
    return Verdict(
        outcome=outcome,
        rate=rate,
        reason=f"{outcome}: rate {rate:g} after {n_seeds} seeds ({score_name}).",
        comparisons=comparisons,
        control=0.0,
        n_seeds=n_seeds,
        alpha=alpha,
        relevant=relevant,
        detectable=_detectable(contrasts, alpha),
        correlation=_correlation(gains),
        seeds_needed=None,
    )


def _comparisons(contrasts: Contrasts, rates: FloatArray, alpha: float) -> tuple[Comparison, ...]:
    n, difference, error, df = contrasts
    judged = int((n >= MIN_BLOCKS).sum())
    reach = critical_value(alpha, max(judged, 1), df) if df >= 1 else math.nan
    return tuple(
        Comparison(
            rate=float(rates[j]),
            n=int(n[j]),
            difference=_or_none(difference[j]),
            low=_or_none(difference[j] - reach * error[j]),
            high=_or_none(difference[j] + reach * error[j]),
            p=_or_none(
                tail_probability(difference[j] / error[j], max(judged, 1), df) if df >= 1 else math.nan
            ),
        )
        for j in range(len(rates))
    )


def _outcome(
    comparisons: tuple[Comparison, ...], contrasts: Contrasts, relevant: float | None
) -> tuple[Outcome, float]:
    judged = [comparison for comparison in comparisons if comparison.n >= MIN_BLOCKS]
    if not judged:
        return "exploratory", 0.0
    winners = [comparison for comparison in judged if comparison.better]
    if winners:
        error = dict(zip([comparison.rate for comparison in comparisons], contrasts.error, strict=True))
        best = max(winners, key=lambda comparison: comparison.difference or 0.0)
        close = (best.difference or 0.0) - error[best.rate]
        return "use", min(winner.rate for winner in winners if (winner.difference or 0.0) >= close)
    if relevant is not None and all(c.high is not None and c.high <= relevant for c in comparisons):
        return "keep", 0.0
    return "undecided", 0.0


def _detectable(contrasts: Contrasts, alpha: float) -> float | None:
    """Smallest gain that the least noisy comparison finds with probability 0.8."""
    judged = contrasts.n >= MIN_BLOCKS
    if not judged.any():
        return None
    reach = critical_value(alpha, int(judged.sum()), contrasts.df)
    return float((reach + special.ndtri(0.8)) * contrasts.error[judged].mean())


def _residual_variance(gains: FloatArray) -> tuple[float, float]:
    """Variance left after block and rate effects (least squares), with its degrees of freedom."""
    seed, rate = np.nonzero(np.isfinite(gains))
    design = np.zeros((seed.size, sum(gains.shape)))
    design[np.arange(seed.size), seed] = 1
    design[np.arange(seed.size), gains.shape[0] + rate] = 1
    values = gains[seed, rate] - gains[seed, rate].mean()
    fit, _, rank, _ = np.linalg.lstsq(design, values, rcond=None)
    df = seed.size - int(rank)
    residual = values - design @ fit
    return (float(residual @ residual) / df, float(df)) if df else (math.nan, 0.0)


def _correlation(gains: FloatArray) -> float | None:
    """Mean correlation across blocks between the control and a rate."""
    found = []
    for column in gains[:, 1:].T:
        both = np.isfinite(column) & np.isfinite(gains[:, 0])
        control, rate = gains[both, 0], column[both]
        if both.sum() >= MIN_BLOCKS and np.ptp(control) > 0 and np.ptp(rate) > 0:
            found.append(float(np.corrcoef(control, rate)[0, 1]))
    return float(np.mean(found)) if found else None


def _mean(column: FloatArray) -> float:
    present = column[np.isfinite(column)]
    return float(present.mean()) if present.size else math.nan


def _variance(column: FloatArray) -> float:
    present = column[np.isfinite(column)]
    return float(present.var(ddof=1)) if present.size >= 2 else math.nan


def _sd(column: FloatArray) -> float | None:
    return _or_none(math.sqrt(_variance(column)))


def _or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

"""The verdict for the seeds at hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from yolo_dropout.base.text import noun
from yolo_dropout.decision.best import expected_gain, may_be_best, not_beaten
from yolo_dropout.decision.levels import critical_value, planned_levels, tail_probability
from yolo_dropout.decision.reason import Phrases, explain
from yolo_dropout.decision.rule import MIN_BLOCKS, Contrasts, Ruling, contrast, rule, spread, with_more
from yolo_dropout.decision.scores import FloatArray, check_options, checked_level, fold_rows, read_scores
from yolo_dropout.decision.verdict import Comparison, Outcome, Verdict

# Normal quantile of the power that planning aims at, 0.8.
_POWER_Z = float(special.ndtri(0.8))
# Nobody trains more seeds than this; beyond it the answer is "too many to say".
_MOST_BLOCKS = 500
_MANY_DF = 1e4


def decide(
    scores: npt.ArrayLike,
    rates: npt.ArrayLike,
    higher_is_better: bool = False,
    alpha: float = 0.05,
    *,
    relevant: float | None = None,
    folds: npt.ArrayLike | None = None,
    level: npt.ArrayLike | None = None,
    looks: Sequence[int] = (),
    score_name: str = "score",
    parts: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Verdict:
    """Say which treatment to use, such as a dropout rate, as far as the scores allow.

    Every treatment is compared with the control within seeds (or within seed and fold), corrected for all of them
    at once. Among those that win, the first within one standard error of the best is taken: of rates the lowest.

    Args:
        scores: One score per run, shape (n_seeds, n_treatments); NaN where a run is missing or failed.
        rates: What each column is, shape (n_treatments,): rates in [0, 1) in any order, of which 0.0 is the control; or
            names of treatments in the order in which they are preferred, the control first.
        higher_is_better: False for a loss, True for mAP or accuracy.
        alpha: Level of each claim, for all treatments at once, in (0, 0.5).
        relevant: Gain that matters, in units of the score; by default one standard deviation of the
            control across seeds (across folds where each has one seed).
        folds: Fold of each row, shape (n_rows,), when rows are the (seed, fold) blocks of a cross-validation.
            The seeds of a fold count as one block, because they share its images, and the intervals are corrected
            for the training images that folds share. None when all rows share one validation set.
        level: What may be spent now, where that is less than alpha; one for all treatments, or one for each beside
            the control in their order, shape (n_treatments - 1,).
        looks: Where seeds are added after a verdict, the numbers of seeds at which there is one, rising: those before,
            this one, and the most that are planned. The level of this one is then such that `alpha` holds over all.
        score_name: What the score is called in the reason.
        parts: Of treatments that combine others, by name, the names of these.

    Returns:
        The verdict with its reason; the same digits for any order of rows, and of rates.

    Raises:
        ScoresError: The scores or treatments cannot be compared, or an option is out of range.
    """
    check_options(alpha, relevant)
    gains, names = read_scores(scores, rates, higher_is_better)
    overlap, phrases = 0.0, Phrases(score_name, higher_is_better)
    if folds is None:
        gains = gains[np.lexsort(gains.T)]  # so that no order of seeds changes a digit
    else:
        gains, overlap, seeds, noise = fold_rows(gains, folds)
        relevant, phrases = noise if relevant is None else relevant, replace(phrases, seeds_per_fold=seeds)
    last: float | None = None
    if looks:
        level, last = planned_levels(looks, len(gains), alpha)
        phrases = replace(phrases, planned=looks[-1] if looks[-1] > len(gains) else None)
    now = checked_level(alpha if level is None else level, len(names) - 1, alpha)
    options: dict[str, Any] = {"relevant": relevant, "overlap": overlap, "last_level": last, "parts": parts}
    return judge(gains, names, alpha=alpha, level=now, phrases=phrases, **options)


def judge(
    gains: FloatArray,
    names: Sequence[str],
    *,
    alpha: float,
    level: FloatArray,
    phrases: Phrases,
    relevant: float | None = None,
    overlap: float = 0.0,
    last_level: float | None = None,
    excluded: npt.ArrayLike = False,
    parts: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Verdict:
    """The verdict on checked scores, at a nominal level that may differ from alpha; p <= alpha means a win at it.

    Args:
        gains: Scores, higher is better, control first, shape (n_blocks, n_treatments).
        names: Of the treatments, the control first.
        alpha: What the claims are worth over the whole study.
        level: What may be spent on each treatment now: alpha, or less at one of several looks, shape
            (n_treatments - 1,).
        phrases: How to speak of the scores.
        relevant: Gain that matters; None for one standard deviation of the control.
        overlap: n_val / n_train of the folds, else 0.
        last_level: What may be spent at the last of several looks: by it, the verdict tells what more seeds would do.
        excluded: Treatments without a relevant gain by an earlier look, shape (n_treatments - 1,).
        parts: See `decide`.
    """
    named = noun(names) != "rate"
    found = contrast(gains, overlap, ordered=in_order(names))
    matters = float(spread(gains[:, 0])) if relevant is None else relevant
    ruling = rule(found, level, matters, excluded)
    later = float(np.max(level)) if last_level is None else last_level
    paired = gains[:, 1:] - gains[:, :1]
    moved = bool((np.nan_to_num(paired) != 0).any())
    outcome = _outcome(ruling, moved)
    chosen, together = 1 + int(ruling.chosen) if outcome == "use" else 0, float(np.min(level))
    n_blocks = int(np.isfinite(paired).any(1).sum())
    open_ended = moved and not overlap and outcome not in ("use", "keep")
    verdict = Verdict(
        outcome=outcome,
        treatment=names[chosen],
        reason="",
        comparisons=_comparisons(found, ruling, names[1:], alpha, level),
        control=names[0],
        n_seeds=n_blocks,
        alpha=alpha,
        relevant=_or_none(matters),
        detectable=_detectable(found, float(np.max(level))) if moved else None,
        correlation=_correlation(gains),
        seeds_needed=_blocks_needed(found, later, _or_none(matters) or 0.0, n_blocks) if open_ended else None,
        basis=phrases.blocks(n_blocks),
        moved=moved,
        expected=_expected(found, ruling, chosen - 1) if chosen else None,
        candidates=tuple(names[i] for i in may_be_best(gains, together, overlap)) if named and ruling.judged else (),
        unbeaten=_unbeaten(gains, names, chosen, parts, level=together, overlap=overlap),
    )
    return replace(verdict, reason=explain(verdict, phrases))


def in_order(names: Sequence[str]) -> bool:
    """Whether they are rates that rise from none, so that their noise may be taken not to fall."""
    if noun(names) != "rate":
        return False
    rates = [float(name) for name in names]
    return rates[0] == 0 and rates == sorted(rates)


def _outcome(ruling: Ruling, moved: bool) -> Outcome:
    if not ruling.judged:
        return "exploratory"
    if not moved:  # equal runs show that nothing acted, and not that dropout makes no difference
        return "undecided"
    return "use" if ruling.use else "keep" if ruling.keep else "undecided"


def _expected(found: Contrasts, ruling: Ruling, place: int) -> float:
    return expected_gain(*(float(part[place]) for part in (found.difference, found.error, ruling.low)))


def _unbeaten(
    gains: FloatArray,
    names: Sequence[str],
    chosen: int,
    parts: Mapping[str, Sequence[str]],
    *,
    level: float,
    overlap: float,
) -> tuple[str, ...] | None:
    """The parts of what was chosen that it is not shown to beat; None where it combines nothing."""
    own = [names.index(part) for part in parts.get(names[chosen], ())]
    return tuple(names[i] for i in not_beaten(gains, chosen, own, level, overlap)) if own else None


def _comparisons(
    found: Contrasts, ruling: Ruling, names: Sequence[str], alpha: float, level: FloatArray
) -> tuple[Comparison, ...]:
    p = np.full(len(names), np.nan)
    for i in np.flatnonzero(found.n >= MIN_BLOCKS):
        statistic = (found.difference[i] - found.slack[i]) / found.error[i]
        p[i] = tail_probability(statistic, int(found.compared), float(found.df[i]), found.correlation)
    columns = (names, found.n, found.difference, ruling.low, ruling.high, np.minimum(1.0, p * alpha / level), level)
    return tuple(
        Comparison(name, int(n), _or_none(difference), _or_none(low), _or_none(high), _or_none(p), float(spent))
        for name, n, difference, low, high, p, spent in zip(*columns, strict=True)
    )


def _detectable(found: Contrasts, level: float) -> float | None:
    """Gain that a typical comparison finds with the planned power."""
    if not (found.n >= MIN_BLOCKS).any():
        return None
    df = float(found.df[found.df > 0].mean())
    reach = critical_value(level, int(found.compared), df, found.correlation) + _POWER_Z
    return float(reach * math.sqrt(np.nanmean(found.error**2)) + np.nanmean(found.slack))


def _correlation(gains: FloatArray) -> float | None:
    """Mean correlation across blocks between the control and a treatment."""
    both = np.isfinite(gains[:, 1:] - gains[:, :1])
    judged = both.sum(0) >= MIN_BLOCKS
    if not judged.any():
        return None
    seen = [np.where(both, part, np.nan)[:, judged] for part in (gains[:, :1], gains[:, 1:])]
    control, rate = (part - np.nanmean(part, 0) for part in seen)
    scale = np.sqrt(np.nansum(control**2, 0) * np.nansum(rate**2, 0))
    moves = scale > 0
    found = np.nansum(control * rate, 0)[moves] / scale[moves]
    return float(found.mean()) if found.size else None


def _blocks_needed(found: Contrasts, level: float, relevant: float, n_blocks: int) -> int | None:
    """Blocks, in all, that settle the best-looking rate with probability 0.8; None if 500 are not enough.

    Settled means that its interval excludes either no gain or a relevant gain, whichever comes first,
    if its mean and noise stay what they are now.
    """
    compared = int(found.compared)
    if not compared:
        return MIN_BLOCKS
    least = MIN_BLOCKS if (found.n >= MIN_BLOCKS).any() else 2
    best = int(np.argmax(np.where(found.n >= least, found.difference, -np.inf)))
    difference = float(found.difference[best])
    margin = max(difference, relevant - difference)
    blocks = np.arange(max(n_blocks + 1, MIN_BLOCKS), _MOST_BLOCKS + 1)
    noise, df = with_more(found, best, blocks)
    # Dunnett's critical values for many df at once, by the usual expansion of t about the normal.
    z = critical_value(level, compared, _MANY_DF, found.correlation)
    reach = z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2) + _POWER_Z
    enough = reach * noise * np.sqrt(1 / blocks) <= margin
    return int(blocks[enough.argmax()]) if enough.any() else None


def _or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

"""Add seeds until it is clear: a look after every seed from the third on, alpha spent over the looks.

Every look is the fixed verdict at a smaller nominal level, chosen so that all looks together spend alpha
(Lan and DeMets, 1983, Biometrika 70, 659-663, with the power family of Kim and DeMets, 1987, Biometrika 74,
149-154). Between looks, rates are dropped that cannot gain what matters, or fall behind one that does better. That adds
no false wins: the bounds of the other rates stay as high as they were with all of them, and a dropped rate is still
held to the level of its last look. So the reasons to drop may be chosen for the runs they save alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from yolo_dropout.decision.fixed import in_order, judge
from yolo_dropout.decision.levels import nominal_levels
from yolo_dropout.decision.reason import Phrases
from yolo_dropout.decision.rule import MIN_BLOCKS, Contrasts, contrast, rule, spread
from yolo_dropout.decision.scores import BoolArray, check_options, read_scores
from yolo_dropout.decision.verdict import Verdict
from yolo_dropout.errors import ScoresError

# A look after every seed from the third to the thirtieth, and one after the last of all.
_FIRST_LOOK, _LAST_LOOK = MIN_BLOCKS, 30
# How sure it must be, by itself, that the best rate beats the control before others are dropped for trailing it: they
# would be missed where in the end none helps. Two standard errors of many seeds.
_AHEAD = 0.975


@dataclass(frozen=True)
class SequentialDecision:
    """What to do after a look.

    Attributes:
        verdict: What the scores of this look allow to say; its limits and p-values hold at alpha over all
            looks together.
        stop: Whether to train no more.
        active: Treatments that get more seeds, by name and in order, the control first; empty when stop.
        next_seeds: Seeds, in all, at the next look; at this one when stop.
    """

    verdict: Verdict
    stop: bool
    active: tuple[str, ...]
    next_seeds: int


def planned_looks(max_seeds: int) -> tuple[int, ...]:
    """Numbers of seeds at which to look, rising; the last is `max_seeds`.

    Raises:
        ScoresError: max_seeds is below 3.
    """
    if max_seeds < _FIRST_LOOK:
        raise ScoresError(f"max_seeds: must be {_FIRST_LOOK} or more, got {max_seeds}; fewer allow no verdict")
    return (*range(_FIRST_LOOK, min(max_seeds, _LAST_LOOK + 1)), max_seeds)


def next_step(
    scores: npt.ArrayLike,
    rates: npt.ArrayLike,
    *,
    max_seeds: int = 12,
    higher_is_better: bool = False,
    alpha: float = 0.05,
    score_name: str = "score",
    relevant: float | None = None,
    parts: Mapping[str, Sequence[str]] = MappingProxyType({}),
    as_run: bool = False,
) -> SequentialDecision:
    """Say whether to stop, and otherwise which treatments get how many more seeds.

    A pure function of the scores: earlier looks are replayed, so that nothing but the scores need be kept.
    A study that should have stopped at an earlier look gets that look's decision.

    Args:
        scores: One row per seed in the order they were run, shape (n_seeds, n_treatments); NaN where a
            run failed or a treatment had been dropped.
        rates: What each column is; see `decide`.
        max_seeds: Most seeds that may be run; the last look.
        higher_is_better: False for a loss, True for mAP or accuracy.
        alpha: Level of each claim over all treatments and all looks, in (0, 0.5).
        score_name: What the score is called in the reason.
        relevant: Gain that matters, in units of the score; by default one standard deviation of the control.
        parts: Of treatments that combine others, by name, the names of these.
        as_run: Take a treatment for dropped where later seeds have no score of it, and only there: of a study that
            dropped by an earlier rule.

    Returns:
        The decision at the last look reached.

    Raises:
        ScoresError: The scores or treatments cannot be compared, fewer seeds than the first look needs, or an
            option is out of range.
    """
    check_options(alpha, relevant)
    plan = planned_looks(max_seeds)
    gains, names = read_scores(scores, rates, higher_is_better)
    if len(gains) < plan[0]:
        raise ScoresError(f"scores: the first look needs {plan[0]} seeds, got {len(gains)}; run the others first")
    levels, gains = nominal_levels(plan, alpha), gains.copy()
    active = np.ones(len(names) - 1, dtype=bool)
    excluded, level, ordered = ~active, np.full(len(names) - 1, levels[0]), in_order(names)
    for look, n in enumerate(n for n in plan if n <= len(gains)):
        # A dropped rate keeps its level: the larger ones to come are for rates that got more seeds.
        level[active] = levels[look]
        found, matters = contrast(gains[:n], ordered=ordered), spread(gains[:n, 0]) if relevant is None else relevant
        excluded = rule(found, level, matters, excluded).excluded
        if as_run and (later := np.isfinite(gains[n:])).any():
            active = active & later[:, 1:].any(0)
            continue
        active = worth_more(found, active, excluded) if n < plan[-1] else active
        phrases = Phrases(score_name, higher_is_better, then=_then(active, n, plan[-1]))
        told: dict[str, Any] = {"alpha": alpha, "phrases": phrases, "relevant": relevant, "parts": parts}
        verdict = judge(gains[:n], names, level=level, last_level=levels[-1], excluded=excluded, **told)
        if verdict.decided or not active.any() or n == plan[-1]:
            return SequentialDecision(verdict, stop=True, active=(), next_seeds=n)
        # What was run for a dropped rate in spite of that must not count later.
        gains[n:, 1:][:, ~active] = np.nan
    kept = (name for name, stays in zip(names[1:], active, strict=True) if stays)
    return SequentialDecision(verdict, False, (names[0], *kept), plan[look + 1])


def _then(active: BoolArray, n: int, most: int) -> str:
    """What follows a look that leaves things open; nothing where the most seeds were run."""
    return "More seeds are due, which the study adds by itself." if n < most and active.any() else ""


def worth_more(found: Contrasts, active: BoolArray, excluded: BoolArray) -> BoolArray:
    """Which rates get more seeds: those that may gain what matters, and do not trail a better one.

    A rate trails when the best one is ahead of it by more than a standard error, and ahead of the control as well;
    closer ones count as equally good, as they do in the verdict. Stages that thin out the rates: Magirr, Jaki and
    Whitehead (2012), Biometrika 99, 494-501.

    Args:
        found: The contrasts, arrays of shape (..., n_rates - 1).
        active: Rates that have not been dropped before, shape (..., n_rates - 1), as what is returned. A rate with
            less than three blocks is not dropped, and drops no other.
        excluded: Rates without a relevant gain, shape (..., n_rates - 1); see `rule`.
    """
    known = active & (found.n >= MIN_BLOCKS)
    first = np.where(known, found.difference, -np.inf).argmax(-1)[..., None]
    best, error, df = (np.take_along_axis(of, first, -1) for of in (found.difference, found.error, found.df))
    ahead = best > special.stdtrit(np.maximum(df, 1), _AHEAD) * error
    trails = ahead & (found.difference < best - error)
    return np.asarray(active & ~(known & (trails | excluded)))

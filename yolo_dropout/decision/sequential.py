"""Add seeds until it is clear: a look after every seed from the third on, alpha spent over the looks.

Every look is the fixed verdict at a smaller nominal level, chosen so that all looks together spend alpha
(Lan and DeMets, 1983, Biometrika 70, 659-663, with the power family of Kim and DeMets, 1987, Biometrika 74,
149-154). Between looks, rates that fall behind are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from yolo_dropout.decision.contrast import contrast
from yolo_dropout.decision.dropping import worth_more
from yolo_dropout.decision.fixed import judge
from yolo_dropout.decision.rule import BoolArray
from yolo_dropout.decision.scores import FloatArray, check_options, order_columns
from yolo_dropout.decision.spending import nominal_levels, spent
from yolo_dropout.decision.verdict import Verdict
from yolo_dropout.decision.words import Words
from yolo_dropout.errors import ScoresError

LOOKS = tuple(range(3, 31))


@dataclass(frozen=True)
class SequentialDecision:
    """What to do after a look.

    Attributes:
        verdict: What the scores of this look allow to say; its limits and p-values hold at alpha over all
            looks together.
        stop: Whether to train no more.
        active_rates: Rates that get more seeds, ascending, the control first; empty when stop.
        next_seeds: Seeds, in all, at the next look; at this one when stop.
        look: Index of this look, from 0.
        alpha_spent: Part of alpha that was spent up to and with this look.
        reason: Why to stop or to go on, in one sentence.
    """

    verdict: Verdict
    stop: bool
    active_rates: tuple[float, ...]
    next_seeds: int
    look: int
    alpha_spent: float
    reason: str


def planned_looks(looks: Sequence[int], max_seeds: int) -> tuple[int, ...]:
    """Numbers of seeds at which to look: those of `looks` below `max_seeds`, and `max_seeds`.

    Raises:
        ScoresError: looks do not rise, or start below 3; or max_seeds is below 3.
    """
    if max_seeds < 3:
        raise ScoresError(f"max_seeds: must be 3 or more, got {max_seeds}; fewer allow no verdict")
    if not looks or looks[0] < 3 or any(b <= a for a, b in pairwise(looks)):
        raise ScoresError(f"looks: must rise from 3 or more seeds, got {tuple(looks)}; for example {LOOKS}")
    return (*(n for n in looks if n < max_seeds), max_seeds)


def next_step(
    scores: npt.ArrayLike,
    rates: npt.ArrayLike,
    *,
    looks: Sequence[int] = LOOKS,
    max_seeds: int = 12,
    higher_is_better: bool = False,
    alpha: float = 0.05,
    relevant: float | None = None,
    overlap: float = 0.0,
    score_name: str = "score",
) -> SequentialDecision:
    """Say whether to stop, and otherwise which rates get how many more seeds.

    A pure function of the scores: earlier looks are replayed, so that nothing but the scores need be kept.
    A study that should have stopped at an earlier look gets that look's decision.

    Args:
        scores: One row per seed in the order they were run, shape (n_seeds, n_rates); NaN where a run
            failed or a rate had been dropped. Rows beyond the last look reached are not read.
        rates: Rate of each column, shape (n_rates,), in [0, 1); 0.0 is the control.
        looks: Seeds at which to look, rising; those above max_seeds are left out. Plan them before the study.
        max_seeds: Most seeds that may be run; the last look.
        higher_is_better: False for a loss, True for mAP or accuracy.
        alpha: Level of each claim over all rates and all looks, in (0, 0.5).
        relevant: Gain that matters; by default one standard deviation of the control across seeds.
        overlap: n_val / n_train of the folds when rows are (fold, seed) blocks, else 0.
        score_name: What the score is called in the reason.

    Returns:
        The decision at the last look reached.

    Raises:
        ScoresError: The scores or rates cannot be compared, fewer seeds than the first look needs, or an
            option is out of range.
    """
    check_options(alpha, relevant, overlap)
    plan = planned_looks(looks, max_seeds)
    gains, columns = order_columns(scores, rates, higher_is_better)
    if len(gains) < plan[0]:
        raise ScoresError(f"scores: the first look needs {plan[0]} seeds, got {len(gains)}; run the others first")
    levels = nominal_levels(plan, alpha)
    words = Words(score_name, higher_is_better, overlap > 0)
    active = np.ones(len(columns) - 1, dtype=bool)
    level = np.full(len(columns) - 1, levels[0])
    reached = [n for n in plan if n <= len(gains)]
    for look, n in enumerate(reached):
        seen = gains[:n]
        # A dropped rate keeps its level: the larger ones to come are for rates that got more seeds.
        level[active] = levels[look]
        active = worth_more(contrast(seen, overlap), active, n=n, most=plan[-1], level=levels[-1], overlap=overlap)
        last = not active.any() or n == plan[-1]
        verdict = judge(
            seen,
            columns,
            alpha=alpha,
            level=level.copy(),
            relevant=relevant,
            overlap=overlap,
            words=replace(words, then=_then(active, n, plan[-1])),
            last_level=float(levels[-1]),
        )
        stop = verdict.decided or last
        # What was run for a dropped rate in spite of that must not count later.
        gains = _without(gains, n, active)
        if stop or n == reached[-1]:
            break
    return _decision(verdict, stop=stop, rates=columns, active=active, plan=plan, look=look)


def _then(active: BoolArray, n: int, most: int) -> str:
    """What follows a look that leaves things open; nothing where the most seeds were run."""
    if n == most:
        return ""
    if active.any():
        return "More seeds are due, which the study adds by itself."
    return f"The study stops here, since no rate can be expected to win within {most} seeds."


def _without(gains: FloatArray, n: int, active: BoolArray) -> FloatArray:
    kept = gains.copy()
    kept[n:, 1:][:, ~active] = np.nan
    return kept


def _decision(
    verdict: Verdict,
    *,
    stop: bool,
    rates: FloatArray,
    active: BoolArray,
    plan: tuple[int, ...],
    look: int,
) -> SequentialDecision:
    going = () if stop else (0.0, *(float(rate) for rate in rates[1:][active]))
    return SequentialDecision(
        verdict=verdict,
        stop=stop,
        active_rates=going,
        next_seeds=plan[look] if stop else plan[look + 1],
        look=look,
        alpha_spent=float(spent(plan, verdict.alpha)[look]),
        reason=_reason(verdict, going, plan, look),
    )


def _reason(verdict: Verdict, going: tuple[float, ...], plan: tuple[int, ...], look: int) -> str:
    at = f"look {look + 1} of {len(plan)}, {plan[look]} seeds"
    if going:
        names = ", ".join(f"{rate:g}" for rate in going)
        dropped = len(verdict.comparisons) + 1 - len(going)
        why = f"; {dropped} trail too far and got dropped" if dropped else ""
        return f"Go on to {plan[look + 1]} seeds with rates {names} ({at}){why}."
    if verdict.decided:
        return f"Stop ({at}): the verdict is clear."
    if plan[look] == plan[-1]:
        return f"Stop ({at}): the most seeds allowed were run."
    return f"Stop ({at}): no rate can be expected to win within {plan[-1]} seeds."

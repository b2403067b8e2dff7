"""Add seeds until it is clear: a look after every seed from the third on, alpha spent over the looks.

Every look is the fixed verdict at a smaller nominal level, chosen so that all looks together spend alpha
(Lan and DeMets, 1983, Biometrika 70, 659-663, with the power family of Kim and DeMets, 1987, Biometrika 74,
149-154). Between looks, rates that fall behind are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yolo_dropout.decision.contrast import MIN_BLOCKS, contrast
from yolo_dropout.decision.dropping import worth_more
from yolo_dropout.decision.fixed import judge
from yolo_dropout.decision.phrases import Phrases
from yolo_dropout.decision.rule import BoolArray
from yolo_dropout.decision.scores import FloatArray, check_options, order_columns
from yolo_dropout.decision.spending import nominal_levels
from yolo_dropout.decision.verdict import Verdict
from yolo_dropout.errors import ScoresError

# A look after every seed from the third to the thirtieth, and one after the last of all.
_FIRST_LOOK, _LAST_LOOK = MIN_BLOCKS, 30


@dataclass(frozen=True)
class SequentialDecision:
    """What to do after a look.

    Attributes:
        verdict: What the scores of this look allow to say; its limits and p-values hold at alpha over all
            looks together.
        stop: Whether to train no more.
        active_rates: Rates that get more seeds, ascending, the control first; empty when stop.
        next_seeds: Seeds, in all, at the next look; at this one when stop.
    """

    verdict: Verdict
    stop: bool
    active_rates: tuple[float, ...]
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
) -> SequentialDecision:
    """Say whether to stop, and otherwise which rates get how many more seeds.

    A pure function of the scores: earlier looks are replayed, so that nothing but the scores need be kept.
    A study that should have stopped at an earlier look gets that look's decision.

    Args:
        scores: One row per seed in the order they were run, shape (n_seeds, n_rates); NaN where a run
            failed or a rate had been dropped.
        rates: Rate of each column, shape (n_rates,), in [0, 1); 0.0 is the control.
        max_seeds: Most seeds that may be run; the last look.
        higher_is_better: False for a loss, True for mAP or accuracy.
        alpha: Level of each claim over all rates and all looks, in (0, 0.5).
        score_name: What the score is called in the reason.

    Returns:
        The decision at the last look reached.

    Raises:
        ScoresError: The scores or rates cannot be compared, fewer seeds than the first look needs, or an
            option is out of range.
    """
    check_options(alpha)
    plan = planned_looks(max_seeds)
    gains, columns = order_columns(scores, rates, higher_is_better)
    if len(gains) < plan[0]:
        raise ScoresError(f"scores: the first look needs {plan[0]} seeds, got {len(gains)}; run the others first")
    levels = nominal_levels(plan, alpha)
    active = np.ones(len(columns) - 1, dtype=bool)
    level = np.full(len(columns) - 1, levels[0])
    reached = [n for n in plan if n <= len(gains)]
    for look, n in enumerate(reached):
        seen = gains[:n]
        # A dropped rate keeps its level: the larger ones to come are for rates that got more seeds.
        level[active] = levels[look]
        active = worth_more(contrast(seen), active, n=n, most=plan[-1], level=levels[-1])
        last = not active.any() or n == plan[-1]
        verdict = judge(
            seen,
            columns,
            alpha=alpha,
            level=level.copy(),
            phrases=Phrases(score_name, higher_is_better, then=_then(active, n, plan[-1])),
            last_level=float(levels[-1]),
        )
        stop = verdict.decided or last
        # What was run for a dropped rate in spite of that must not count later.
        gains = _without(gains, n, active)
        if stop or n == reached[-1]:
            break
    going = () if stop else (0.0, *(float(rate) for rate in columns[1:][active]))
    return SequentialDecision(verdict, stop, going, next_seeds=n if stop else plan[look + 1])


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

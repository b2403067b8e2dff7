"""Which runs a study asks for by now: all of its spec, or seeds added look by look until it is clear."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import pandas as pd

from yolo_dropout.decision import SequentialDecision, Verdict, decide, next_step, planned_looks
from yolo_dropout.decision.levels import nominal_levels
from yolo_dropout.results.table import folds_of
from yolo_dropout.spec.runs import Run, plan
from yolo_dropout.spec.score import Score
from yolo_dropout.spec.study_spec import StudySpec


def due_runs(spec: StudySpec, ended: Collection[Run], scores: pd.DataFrame) -> tuple[Run, ...]:
    """The runs that a study asks for by now, seed-major.

    Args:
        spec: What was asked. Without `until_decided` that is all of its runs.
        ended: Runs that have finished or failed.
        scores: One row per seed of the spec, in order, one column per rate; nan where there is none.

    Returns:
        The runs of the looks that have been reached; once the study is clear, no more are added.
    """
    if not spec.until_decided:
        return plan(spec)
    due = tuple(run for run in plan(spec) if run.seed in spec.seeds[: _looks(spec)[0]])
    while all(run in ended for run in due) and scores.notna().any(axis=None):
        decision = _step(spec, scores, len({run.seed for run in due}))
        if decision.stop:
            break
        seeds = spec.seeds[len({run.seed for run in due}) : decision.next_seeds]
        due += tuple(Run(seed, rate) for seed in seeds for rate in decision.active_rates)
    return due


def whole_seeds(due: Collection[Run], ended: Collection[Run]) -> int:
    """How many seeds, from the first on, have no run that is due and has not ended."""
    open_seeds = {run.seed for run in due if run not in ended}
    return len({run.seed for run in due if run.seed < min(open_seeds, default=run.seed + 1)})


def verdict_of(spec: StudySpec, scores: pd.DataFrame, whole: int | None = None) -> Verdict:
    """What the scores allow to say; while seeds are added, the error level holds over all looks together.

    Args:
        spec: What was asked.
        scores: One row per seed of the spec, or per seed and fold, one column per rate; nan where there is none.
        whole: How many seeds are complete: while seeds are added, only these can decide. None takes all.

    Raises:
        ScoresError: No seed has both the control and another rate.
    """
    score, scores = Score.parse(spec.score), looked_at(spec, scores, whole)
    if not spec.until_decided:
        return _decide(spec, score, scores, None)
    looks = _looks(spec)
    begun = int(scores.notna().any(axis=1).to_numpy().nonzero()[0].max(initial=-1)) + 1
    if begun >= looks[0]:
        return _step(spec, scores, begun).verdict
    verdict = _decide(spec, score, scores, [nominal_levels(looks, spec.alpha)[0]] * (len(spec.rates) - 1))
    n = begun if whole is None else whole
    reason = f"No verdict before {looks[0]} seeds are complete, which the first look takes; so far {n} are."
    return replace(verdict, reason=reason)


def looked_at(spec: StudySpec, scores: pd.DataFrame, whole: int | None) -> pd.DataFrame:
    """The rows that a verdict goes by: while seeds are added the complete ones, or before a first look too few."""
    if not spec.until_decided or whole is None:
        return scores
    return scores.iloc[: max(whole, _looks(spec)[0] - 1)]


def shown_verdict(spec: StudySpec, score: Score, scores: pd.DataFrame, verdict: Verdict) -> Verdict:
    """What another score of the same runs allows to say, at the error levels of the verdict that decides.

    Raises:
        ScoresError: No seed has both the control and another rate.
    """
    return _decide(spec, score, scores, [comparison.level for comparison in verdict.comparisons])


def looks_note(looked: Sequence[int]) -> Iterator[str]:
    """What it means that seeds were added after a verdict on `looked` of them; nothing where none were."""
    if looked:
        seen = " and ".join(map(str, looked))
        yield (
            f"seeds were added after the verdict on {seen} had been seen: a false 'use' is then two to three times as "
            "likely as the error level says; a new study of new seeds, or --until-decided from the start, keeps to it"
        )


def _decide(spec: StudySpec, score: Score, scores: pd.DataFrame, level: list[float] | None) -> Verdict:
    return decide(
        scores.to_numpy(),
        spec.rates,
        higher_is_better=score.higher_is_better,
        alpha=spec.alpha,
        folds=folds_of(scores),
        level=level,
        score_name=score.words,
    )


def _looks(spec: StudySpec) -> tuple[int, ...]:
    return planned_looks(len(spec.seeds))


def _step(spec: StudySpec, scores: pd.DataFrame, n_seeds: int) -> SequentialDecision:
    score = Score.parse(spec.score)
    return next_step(
        scores.to_numpy()[:n_seeds],
        spec.rates,
        max_seeds=len(spec.seeds),
        higher_is_better=score.higher_is_better,
        alpha=spec.alpha,
        score_name=score.words,
    )

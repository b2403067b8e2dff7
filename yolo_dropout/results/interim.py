"""A look at unfinished scores: which runs a study asks for by now, and what may be said of those that are there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import pandas as pd

from yolo_dropout.decision import SequentialDecision, Verdict, decide, next_step, planned_looks
from yolo_dropout.decision.levels import nominal_levels
from yolo_dropout.results.table import folds_of
from yolo_dropout.spec.rules import LEAST_SEEDS
from yolo_dropout.spec.runs import Run, plan
from yolo_dropout.spec.score import Score
from yolo_dropout.spec.study_spec import StudySpec


def due_runs(spec: StudySpec, ended: Collection[Run], scores: pd.DataFrame) -> tuple[Run, ...]:
    """The runs that a study asks for by now, seed-major: all, or those of the looks that have been reached.

    Once a study is clear, no more are added. `scores` has a row per seed of the spec, in order, and a column per
    treatment; nan where there is none.
    """
    if not spec.until_decided:
        return plan(spec)
    n_seeds = planned_looks(len(spec.seeds))[0]
    due = tuple(run for run in plan(spec) if run.seed in spec.seeds[:n_seeds])
    # A study of before went on by another rule, which dropped other treatments: what it ran tells which.
    went_on = [run for run in plan(spec) if run in ended] if spec.max_seeds is None else []
    while all(run in ended for run in due) and scores.notna().any(axis=None):
        if went_on := [run for run in went_on if run.seed in spec.seeds[n_seeds:]]:
            due += tuple(run for run in went_on if run.seed == spec.seeds[n_seeds])
            n_seeds += 1
            continue
        decision = _interim_step(spec, scores, n_seeds)
        if decision.stop:
            break
        seeds, n_seeds = spec.seeds[n_seeds : decision.next_seeds], decision.next_seeds
        due += tuple(Run(seed, name) for seed in seeds for name in decision.active)
    return due


def whole_seeds(due: Collection[Run], ended: Collection[Run]) -> int:
    """How many seeds, from the first on, have no run that is due and has not ended."""
    open_seeds = {run.seed for run in due if run not in ended}
    return len({run.seed for run in due if run.seed < min(open_seeds, default=run.seed + 1)})


def interim_scores(spec: StudySpec, scores: pd.DataFrame, whole: int) -> pd.DataFrame:
    """The rows that a verdict goes by: while seeds are added the complete ones, or before a first look too few."""
    return scores.iloc[: max(whole, planned_looks(len(spec.seeds))[0] - 1)] if spec.until_decided else scores


def interim_verdict(spec: StudySpec, scores: pd.DataFrame, whole: int, looked: Sequence[int] = ()) -> Verdict:
    """What the scores allow to say; while seeds are added, the error level holds over all looks together.

    `scores` has a row per seed of the spec, or per seed and fold. While seeds are added, only those can decide that are
    complete: the first `whole`. `looked` are the numbers of seeds at which there was a verdict before.

    Raises:
        ScoresError: No seed has both the control and another treatment.
    """
    scores = interim_scores(spec, scores, whole)
    if not spec.until_decided:
        return _decide(spec, scores, looks=_looks(spec, looked))
    looks = planned_looks(len(spec.seeds))
    begun = int(scores.notna().any(axis=1).to_numpy().nonzero()[0].max(initial=-1)) + 1
    if begun >= looks[0]:
        return _interim_step(spec, scores, begun).verdict
    reason = f"No verdict before {looks[0]} seeds are complete, which the first look takes; so far {whole} are."
    return replace(_decide(spec, scores, level=nominal_levels(looks, spec.alpha)[0]), reason=reason)


def _looks(spec: StudySpec, looked: Sequence[int]) -> tuple[int, ...]:
    """The numbers of seeds at which there was, is and may be a verdict; none where this is the only one planned."""
    n, most = len(spec.seeds), spec.max_seeds or 0
    seen = {count for count in looked if isinstance(count, int) and LEAST_SEEDS <= count <= most}
    return tuple(sorted({*seen, n, most})) if LEAST_SEEDS <= n <= most else ()


def interim_note(spec: StudySpec, looked: Sequence[int]) -> Iterator[str]:
    """What it means that seeds were added unplanned after a verdict on `looked` of them; nothing where none were."""
    if looked and not _looks(spec, looked):
        seen = " and ".join(map(str, looked))
        yield (
            f"seeds were added after the verdict on {seen} had been seen: a false 'use' is then two to three times as "
            "likely as the error level says; a new study of new seeds, or --until-decided from the start, keeps to it"
        )


def _decide(spec: StudySpec, scores: pd.DataFrame, *, level: float | None = None, looks: Sequence[int] = ()) -> Verdict:
    score = Score.parse(spec.score)
    return decide(
        scores.to_numpy(),
        spec.labels,
        score.higher_is_better,
        spec.alpha,
        relevant=spec.min_gain,
        folds=folds_of(scores),
        level=level,
        looks=looks,
        score_name=score.words,
        parts=spec.parts,
    )


def _interim_step(spec: StudySpec, scores: pd.DataFrame, n_seeds: int) -> SequentialDecision:
    score = Score.parse(spec.score)
    return next_step(
        scores.to_numpy()[:n_seeds],
        spec.labels,
        max_seeds=len(spec.seeds),
        as_run=spec.max_seeds is None,
        higher_is_better=score.higher_is_better,
        alpha=spec.alpha,
        score_name=score.words,
        relevant=spec.min_gain,
        parts=spec.parts,
    )

"""What other scores of the same runs say, and whether they agree with the one that decides.

Each is judged on the same blocks by the same rule. They are secondary: nothing corrects for looking at several.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import pandas as pd

from yolo_dropout.base.text import CONTROL, capital
from yolo_dropout.decision import Comparison, Verdict, decide
from yolo_dropout.errors import InputError, ScoresError
from yolo_dropout.folder.results_csv import VAL_LOSS
from yolo_dropout.results.shift import scores_under_shift
from yolo_dropout.results.table import Table, folds_of, scores
from yolo_dropout.spec.score import CALIBRATION, Score

Levels: TypeAlias = Sequence[float] | None
GAP = "gap"
_LOSSES = (Score(VAL_LOSS, "min"), Score(VAL_LOSS, "last", 5), Score(VAL_LOSS, "best"))
_SECONDARY = "Only the first score decides: nothing here corrects for looking at several."


@dataclass(frozen=True, eq=False)
class ScoreVerdict:
    """One score of a study, and what it alone would say.

    Attributes:
        key: The score, as `val/loss@min`; `gap` is the overfitting gap.
        name: The score in words.
        higher_is_better: Its direction.
        table: One row per block, one column per treatment.
        verdict: What `decide` says of the table; None where there is nothing to compare.
    """

    key: str
    name: str
    higher_is_better: bool
    table: pd.DataFrame
    verdict: Verdict | None

    @property
    def says(self) -> str:
        """The verdict in words, as they stand inside a sentence."""
        return self.verdict.clause if self.verdict else "nothing to compare"

    @property
    def best(self) -> Comparison | None:
        """The best-looking treatment, in comparison with the control; it may be worse."""
        return self.verdict.best if self.verdict else None

    @property
    def best_treatment(self) -> str:
        """The treatment with the best mean, decided or not; the control where none looks better."""
        return self.best.treatment if self.best and (self.best.difference or 0.0) > 0 else CONTROL

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        best, verdict = self.best, self.verdict
        if self.table.columns.name == "rate":
            which: dict[str, Any] = {"rate": verdict and verdict.rate, "best_nonzero_rate": best and best.rate}
        else:
            which = {"treatment": verdict and verdict.treatment, "best_beside_control": best and best.treatment}
        return {
            "score": self.key,
            "outcome": verdict and verdict.outcome,
            **which,
            **{name: best and getattr(best, name) for name in ("difference", "low", "high")},
        }


def other_scores(
    results: Table, gaps: pd.DataFrame, primary: Score, own: pd.DataFrame, alpha: float, *, levels: Levels = None
) -> list[ScoreVerdict]:
    """The standard scores beside the primary one, the overfitting gap last.

    Args:
        results: The runs' results.
        gaps: Their overfitting gaps, arranged as `own`; there may be more rows.
        primary: The score that decides, which is left out.
        own: Its values; the others take their blocks and treatments.
        alpha: Error level of each verdict.
        levels: By treatment, what the primary verdict was allowed to spend, if that is less; see `decide`.
    """
    seeds = own.index.get_level_values("seed").unique()
    n_folds = None if folds_of(own) is None else own.index.get_level_values("fold").nunique()
    top = [Score(results.headline, "max")] if results.headline else []
    found = []
    measured = list(scores_under_shift(results.headline) if results.shifted else ())
    measured += map(Score.parse, CALIBRATION if "--calibration" in results.measured else ())
    for score in (*_LOSSES, *top, *measured):
        if score != primary:
            with suppress(InputError):  # @best where no column tells which epoch that is
                table = scores(results, score, own.columns.to_list(), seeds, n_folds)
                better, name = score.higher_is_better, score.words
                found.append(score_verdict(str(score), name, table, alpha, higher_is_better=better, levels=levels))
    gap = score_verdict(GAP, "overfitting gap", gaps.loc[own.index], alpha, higher_is_better=False, levels=levels)
    return [*found, gap]


def score_verdict(
    key: str, name: str, table: pd.DataFrame, alpha: float, *, higher_is_better: bool, levels: Levels = None
) -> ScoreVerdict:
    """Judge one score, unless all runs have the same; see `ScoreVerdict` and `other_scores` for the arguments."""
    values, labels = table.to_numpy(dtype=float), table.columns.to_list()
    verdict = None
    with suppress(ScoresError):
        verdict = decide(values, labels, higher_is_better, alpha, level=levels, folds=folds_of(table), score_name=name)
    return ScoreVerdict(key, name, higher_is_better, table, verdict if verdict and verdict.moved else None)


def agreement(primary: ScoreVerdict, *others: ScoreVerdict) -> str:
    """Whether the others say what the primary score says, in at most four sentences; empty without others."""
    judged = [other for other in others if other.verdict and other.key != GAP]
    if primary.verdict is None or not primary.verdict.n_seeds or not judged:
        return ""
    if primary.verdict.outcome == "exploratory":
        told = [f"With {primary.verdict.basis} no score can decide.", _best_rates(primary, judged)]
    else:
        told = [_verdicts(primary, judged), _best_rates(primary, judged), _SECONDARY]
    return " ".join(filter(None, told))


def _verdicts(primary: ScoreVerdict, judged: Sequence[ScoreVerdict]) -> str:
    differing = [other for other in judged if _answer(other) != _answer(primary)]
    n, same = len(judged), len(judged) - len(differing)
    if not differing:
        return "The other score says the same." if n == 1 else f"All {n} other scores say the same."
    told = "; ".join(f"{other.name}: {other.says}" for other in differing)
    count = {0: "None", 1: "One"}.get(same, str(same))
    return f"{count} of {n} other scores {'say' if same > 1 else 'says'} the same. {capital(told)}."


def _answer(score: ScoreVerdict) -> tuple[str, str, bool] | None:
    return (score.verdict.outcome, score.verdict.treatment, score.verdict.moved) if score.verdict else None


def _best_rates(primary: ScoreVerdict, judged: Sequence[ScoreVerdict]) -> str:
    """Validation loss and headline metric that point to different treatments."""
    turned = [other for other in judged if other.higher_is_better != primary.higher_is_better]
    if not turned or turned[0].best_treatment == primary.best_treatment or primary.verdict is None:
        return ""
    one, other = (primary.verdict.named(score.best_treatment) for score in (primary, turned[0]))
    return (
        f"By {primary.name} {one} looks best, by {turned[0].name} {other}: ask yourself which of the two you care "
        "about."
    )

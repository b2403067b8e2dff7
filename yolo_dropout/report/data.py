"""What a report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from yolo_dropout.base.text import counted
from yolo_dropout.results.agreement import ScoreVerdict
from yolo_dropout.results.table import folds_of
from yolo_dropout.spec.score import Score

if TYPE_CHECKING:
    from yolo_dropout.decision import Verdict


@dataclass(frozen=True)
class ReportData:
    """A study as the report needs it.

    Attributes:
        title: Name of the study.
        verdict: What the scores allow to say; None while there are too few to say anything.
        curves: Tidy curves, columns rate, seed, epoch, metric, value.
        scores: Index seed, or seed and fold; one column per rate; NaN where a run is missing, failed or diverged.
        summary: One row per rate, as `summary.summary` makes it.
        score: What is compared.
        others: What other scores of the same runs say, the overfitting gap last.
        records: One mapping per run that has ended, with the fields of `run.json` and, where there is one,
            `folder`, the run's folder relative to the page.
        planned: Number of runs that are due so far; 0 where nobody planned them.
        asked: The spec, field by field.
        prepared: What was found before the first run: task, n_train, n_val, n_classes, sites, notes.
        notes: What had to be repaired or left out, a line each.
        versions: Versions of what trained.
        command: The command that repeats the study.
        branch_note: Which branch of the head the numbers describe, where a model has two.
        files: Name to relative path of the files beside the page.
        ours: False for runs that this project did not make.
    """

    title: str
    verdict: Verdict | None
    curves: pd.DataFrame
    scores: pd.DataFrame
    summary: pd.DataFrame
    score: Score
    others: tuple[ScoreVerdict, ...] = ()
    records: tuple[Mapping[str, Any], ...] = ()
    planned: int = 0
    asked: Mapping[str, Any] = field(default_factory=dict)
    prepared: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    branch_note: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    ours: bool = True

    @property
    def failed(self) -> tuple[Mapping[str, Any], ...]:
        """The runs that failed."""
        return tuple(record for record in self.records if record.get("status") == "failed")

    @property
    def folded(self) -> bool:
        """Whether this is a cross-validation."""
        return folds_of(self.scores) is not None

    @property
    def block(self) -> str:
        """What rates are compared within."""
        return "seed and fold" if self.folded else "seed"

    @property
    def blocks(self) -> str:
        """How many there are, in words."""
        folds = f"{self.scores.index.get_level_values('fold').nunique()} folds x " if self.folded else ""
        return folds + counted(self.scores.index.get_level_values("seed").nunique(), "seed")

    @property
    def all_scores(self) -> tuple[ScoreVerdict, ...]:
        """The score that decides, then the others."""
        return ScoreVerdict.of(self.score, self.scores, self.verdict), *self.others

    @property
    def rates(self) -> list[float]:
        """All rates, ascending, the control first."""
        return sorted({0.0, *(float(rate) for rate in self.scores.columns.to_list())})

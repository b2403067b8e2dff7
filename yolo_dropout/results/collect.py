"""A study's folder -> the study as values: records, curves, scores, verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, TypeVar

import pandas as pd

from yolo_dropout.base.text import counted, few
from yolo_dropout.decision import Verdict
from yolo_dropout.errors import InputError
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import RunRecord, read_records
from yolo_dropout.folder.results_csv import read_results
from yolo_dropout.folder.study_file import read_study_file
from yolo_dropout.results.agreement import ScoreVerdict, agreement, other_scores
from yolo_dropout.results.calibration import with_calibration
from yolo_dropout.results.examples import read_examples
from yolo_dropout.results.interim import due_runs, interim_note, interim_scores, interim_verdict, whole_seeds
from yolo_dropout.results.learning import nothing_learned
from yolo_dropout.results.new_images import over_images
from yolo_dropout.results.shift import with_shift
from yolo_dropout.results.table import Table, by_block, curves, overfitting_gap, read_table, scores, summary
from yolo_dropout.spec.runs import Run, pending, plan
from yolo_dropout.spec.score import Score
from yolo_dropout.spec.study_spec import StudySpec

T = TypeVar("T", bound="StudyResults")


@dataclass(frozen=True)
class StudyResults:
    """A study as far as it has come; `study.Study` is the same with its pictures.

    Attributes:
        folder: Where it lives.
        spec: What was asked.
        records: One per run that has ended, seed-major.
        table: The results of the finished runs.
        prepared: What was found before the first run: task, number of images, sites, versions.
        notes: What had to be repaired or left out, a line each.
        ours: False for runs that this project did not make.
        asked: The runs that it asks for, where several studies are put together: not all that their spec has.
        looked: The numbers of seeds whose verdict was there when more were asked for.
        examples: Images on which treatments differ, as `shift.examples.compare` finds them; empty where nobody asked.
    """

    folder: StudyFolder
    spec: StudySpec
    records: tuple[RunRecord, ...]
    table: Table
    prepared: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    ours: bool = True
    asked: tuple[Run, ...] = ()
    looked: tuple[int, ...] = ()
    examples: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The model and the data."""
        return f"{self.spec.model_name} on {self.spec.data_name}"

    @property
    def score(self) -> Score:
        """How a curve becomes a score."""
        return Score.parse(self.spec.score)

    @property
    def block(self) -> str:
        """What treatments are compared within: a seed, or a seed and fold."""
        return "seed" if self.spec.folds is None else "seed and fold"

    @property
    def blocks(self) -> str:
        """How many of these have begun, in words."""
        folds = "" if self.spec.folds is None else f"{self.spec.folds} folds x "
        return folds + counted(self.scores.index.get_level_values("seed").nunique(), "seed")

    @property
    def failed(self) -> tuple[RunRecord, ...]:
        """The runs that failed."""
        return tuple(record for record in self.records if not record.finished)

    @property
    def missing(self) -> tuple[Run, ...]:
        """The runs that are due and have not ended yet."""
        return pending(self.due, self._ended)

    @property
    def branch_note(self) -> str | None:
        """Which branch of the head the numbers describe, where a model has two."""
        return next((record.branch_note for record in self.records if record.branch_note), None)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Every value by epoch: columns rate (or treatment), seed, epoch, metric, value; with folds fold after seed."""
        return curves(self.table, self.spec.labels)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per seed, or (seed, fold); a column per treatment; nan where a run is missing, failed or diverged."""
        return self._begun(self._planned_scores)

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """The overfitting gap of every run, arranged as the scores are; see `table.overfitting_gap`."""
        return self._begun(by_block(self.table, overfitting_gap, self.spec.labels, self.spec.seeds, self.spec.folds))

    @cached_property
    def due(self) -> tuple[Run, ...]:
        """The runs that the study asks for by now, seed-major."""
        return self.asked or due_runs(self.spec, self._ended, self._planned_scores)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row per treatment: runs, mean, sd and interval of the score; epoch of the minimum, gap, metric."""
        return summary(self.table, self.scores, self.gaps)

    @cached_property
    def verdict(self) -> Verdict:
        """What the scores allow to say.

        Raises:
            InputError: No run has finished.
            ScoresError: No seed has both the control and another treatment.
        """
        if not self.table.results:
            reasons = sorted({record.error or "" for record in self.failed})
            why = f"; the first failure: {reasons[0]}; mend that and use --retry-failed" if reasons else ""
            raise InputError(f"{self.folder.path}: no run has finished yet, so there is nothing to compare{why}")
        if (needed := self.score.measured_by) and needed not in self.table.measured:
            raise InputError(f"score: {self.score} needs runs that were measured when they had ended; add {needed}")
        verdict = interim_verdict(self.spec, self._planned_scores, self._whole, self.looked)
        return verdict.withheld(self.nothing_learned) if self.nothing_learned else verdict

    @cached_property
    def nothing_learned(self) -> str | None:
        """Why no verdict can rest on these runs; None where at least one of them learned something."""
        n_classes, n_val = (self.prepared.get(name) or 0 for name in ("n_classes", "n_val"))
        return nothing_learned(self.table, self.score, n_classes, n_val)

    @cached_property
    def other_scores(self) -> list[ScoreVerdict]:
        """What other scores of the same runs say, each judged by the same rule."""
        if self.nothing_learned:
            return []
        levels = [comparison.level for comparison in self.verdict.comparisons]
        own = interim_scores(self.spec, self.scores, self._whole)
        return other_scores(self.table, self.gaps, self.score, own, self.spec.alpha, levels=levels)

    @cached_property
    def on_images(self) -> pd.DataFrame:
        """What the checkpoints say image by image, and of new images; see `new_images.over_images`."""
        return over_images(self)

    @property
    def all_scores(self) -> tuple[ScoreVerdict, ...]:
        """The score that decides, then the others."""
        score = self.score
        own = ScoreVerdict(str(score), score.words, score.higher_is_better, self.scores, self.verdict)
        return own, *self.other_scores

    @property
    def agreement(self) -> str:
        """Whether they agree with the score that decides, in words."""
        return agreement(*self.all_scores)

    @cached_property
    def _planned_scores(self) -> pd.DataFrame:
        return scores(self.table, self.score, self.spec.labels, self.spec.seeds, self.spec.folds)

    def _begun(self, values: pd.DataFrame) -> pd.DataFrame:
        seeds = {run.seed for run in self.due}
        return values.loc[[seed for seed in self.spec.seeds if seed in seeds]]

    @property
    def _ended(self) -> set[Run]:
        return {record.run for record in self.records}

    @property
    def _whole(self) -> int:
        return whole_seeds(self.due, self._ended)

    def __repr__(self) -> str:
        return f"<Study: {self.title}, {len(self.records)} runs>"


def read_study(folder: StudyFolder, kind: type[T]) -> T:
    """Read a study from its folder, as a `kind` of results.

    Raises:
        SpecError: The folder holds no study, or its spec is broken.
        InputError: Runs have different validation losses.
    """
    stored = read_study_file(folder)
    spec = stored.spec
    read = cache(read_results)  # a run's curves are checked with its record, and then collected
    records, notes = read_records(folder, read)
    known, asked = {record.run: record for record in records}, plan(spec)
    notes += tuple(_not_asked(record for run, record in known.items() if record.finished and run not in {*asked}))
    records = tuple(known[run] for run in asked if run in known)
    files = {item.run: folder.run(item.run.name).results for item in records if item.finished}
    table = read_table(files, read)
    by_loss = spec.select is not None
    places = {run: folder.run(run.name) for run in table.results}
    results = {
        run: replace(found, by_loss=by_loss, classes=places[run].classes, images=places[run].images)
        for run, found in table.results.items()
    }
    table = replace(table, results=results)
    table = with_shift(table, {run: place.shift for run, place in places.items()})
    table = with_calibration(table, {run: place.calibration for run, place in places.items()})
    notes = (*interim_note(spec, stored.looked), *notes, *table.notes)
    more: dict[str, Any] = {"looked": tuple(stored.looked), "examples": read_examples(folder.examples, spec)}
    return kind(folder, spec, records, table, stored.prepared, notes, **more)


def _not_asked(records: Iterable[RunRecord]) -> Iterator[str]:
    """Finished runs of seeds or treatments that somebody has taken out of `study.yaml`."""
    names = [record.run.name for record in records]
    if names:
        yield f"{few(names)}: finished, but study.yaml does not ask for these seeds and rates, so they are left out"

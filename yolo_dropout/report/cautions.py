"""What a reader should know before trusting the numbers, in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from yolo_dropout.base.text import capital, label_text, named, number
from yolo_dropout.folder.results_csv import VAL_LOSS
from yolo_dropout.report.figures.series import by_run
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.results.table import by_block, scores
from yolo_dropout.spec.acting import ACTING
from yolo_dropout.spec.rules import LEAST_SEEDS

ENOUGH_SEEDS = 5
SMALL_VALIDATION = 100
STILL_FALLING = 0.97
# A minimum is told to be tilted where epochs' noise moves a gain by this share of its interval or more.
_TILT, _SMOOTH = 0.25, 5
# By so many sd of its noise the lowest of a dozen epochs lies below a flat curve.
_EXTREME = 1.6


def warnings_of(study: StudyResults) -> tuple[str, ...]:
    """All warnings for this study, the gravest first, without repetition."""
    sources = (_unshared, _missing, _versions, _seeds, _small, _tilted, _short)
    own = [*grave_warnings(study), *(line for source in sources for line in source(study))]
    told = [*study.prepared.get("notes", ()), *([study.branch_note] if study.branch_note else []), *study.notes]
    return tuple(dict.fromkeys(own + told))


def grave_warnings(study: StudyResults) -> tuple[str, ...]:
    """Those by which the runs may not be what they are taken for."""
    return (*_unknown(study), *_inert(study))


def _unknown(study: StudyResults) -> Iterator[str]:
    if study.ours or not any(item.dropout.rate for item in study.spec.treatments):
        return
    start = "These runs were not made by this project, and their files do not say whether dropout acted."
    if study.prepared.get("task") == "classify":
        yield (
            f"{start} In classification Ultralytics itself applies dropout= at the model's own Dropout layer; on a CPU "
            "that shifts the augmentation too, so that each rate saw other crops than the control."
        )
    else:
        yield f"{start} Outside classification Ultralytics ignores dropout=, so it most likely did not."


def _inert(study: StudyResults) -> Iterator[str]:
    """A treatment whose curves all equal the control's to the last digit: it cannot have acted."""
    found, (control, *others) = study.table.results, study.spec.treatments
    for item in others:
        blocks = [run for run in found if run.treatment == item.name and replace(run, treatment=control.name) in found]
        pairs = ((found[run].matrix, found[replace(run, treatment=control.name)].matrix) for run in blocks)
        if blocks and all(np.array_equal(own, of_control, equal_nan=True) for own, of_control in pairs):
            what = "it" if item.train else "dropout"
            told = f"gives the very curves of {study.verdict.named(control.name)}: {what} did not act in these runs."
            yield f"{capital(named(item.name))} {told}"


def _unshared(study: StudyResults) -> Iterator[str]:
    """What the runs of a seed do not share because of what their treatments change."""
    found = dict[str, list[str]]()
    for item in study.spec.named:
        for changes in dict.fromkeys(ACTING[name].changes for name in item.train):
            found.setdefault(changes, []).append(f'"{item.name}"')
    if not found:
        return
    told = "; ".join(f"{what} by {', '.join(names)}" for what, names in found.items())
    much = study.verdict.correlation
    measured = "" if much is None else f" Scores correlate with their control's by {number(much, [0, 1])} on average."
    losses = " Validation losses with other weights do not compare." if "the weights of the losses" in found else ""
    yield f"Not all that the runs of a {study.block} share is alike. Changed are {told}.{losses}{measured}"


def _missing(study: StudyResults) -> Iterator[str]:
    runs, left = len(study.due), len(study.missing) if study.ours else 0
    if study.failed:
        rests = "; the verdict rests on the others" if study.verdict.n_seeds else ""
        yield f"{len(study.failed)} of {runs} runs failed{rests}."
    if left:
        yield f"{left} of {runs} runs have not ended yet; numbers may still change."
    seeds = set(study.scores.index.get_level_values("seed"))  # others may be there from before, and count for nothing
    finished = sum(record.finished and record.seed in seeds for record in study.records)
    scored = int(study.scores.notna().to_numpy().sum())
    if finished > scored:
        why = "" if study.score.measured_by else ": their training diverged"
        yield f"{finished - scored} finished runs have no finite score{why}."


def _versions(study: StudyResults) -> Iterator[str]:
    """Runs made before and after an upgrade differ for another reason than their treatments."""
    found = [record.versions for record in study.records if record.finished]
    for package in dict.fromkeys(name for versions in found for name in versions):
        several = sorted({versions[package] for versions in found if package in versions})
        if len(several) > 1:
            yield f"Runs were made with {package} {' and '.join(several)}: that alone can make a difference."


def _seeds(study: StudyResults) -> Iterator[str]:
    verdict, folded = study.verdict, study.spec.folds is not None
    enough = f"{ENOUGH_SEEDS} folds or more" if folded else f"{ENOUGH_SEEDS} or more"
    if verdict.n_seeds < LEAST_SEEDS:
        noise = "the images alone move" if folded else "the seed alone moves"
        most = f"most {verdict.noun}s do"
        yield f"{verdict.basis} cannot carry a verdict: {noise} a score as much as {most}. Use {enough}."
    elif verdict.n_seeds < ENOUGH_SEEDS:
        size = f" (about {number(verdict.detectable)} and more)" if verdict.detectable else ""
        yield f"{verdict.basis} find only large effects{size}. {enough} find smaller ones."


def _small(study: StudyResults) -> Iterator[str]:
    n_val = None if study.spec.folds else study.prepared.get("n_val")
    if isinstance(n_val, int) and 0 < n_val < SMALL_VALIDATION:
        yield (
            f"The validation set has {n_val} images. The verdict holds for these images; "
            "on others it may come out differently, however many seeds there are."
        )


def _tilted(study: StudyResults) -> Iterator[str]:
    """Gains that rest on how much single epochs vary: the noisier of two curves has the lower minimum."""
    score, smooth, sign = study.score, replace(study.score, k=_SMOOTH), 1 if study.score.higher_is_better else -1
    short = min((len(results.epochs) for results in study.table.results.values()), default=0) < 2 * _SMOOTH
    if short or score.measured_by or score.at != ("max" if sign > 0 else "min") or score.k >= _SMOOTH:
        return
    args = study.spec.labels, study.spec.seeds, study.spec.folds
    means = scores(study.table, smooth, *args).loc[study.scores.index]
    noise = by_block(study.table, lambda results: _epoch_noise(results.curve(score.metric)), *args).mean()
    control, *others = study.scores.columns
    both = study.scores + means
    gains = [sign * of.where(both.notna()).sub(of[control], axis=0).mean() for of in (study.scores, means)]
    for item, label in zip(study.verdict.comparisons, others, strict=True):
        by_epoch, by_mean = (float(gain[label]) for gain in gains)
        tilt, of_noise = by_epoch - by_mean, _EXTREME * float(noise[label] - noise[control])
        wide = None if item.low is None or item.high is None else _TILT * (item.high - item.low)
        if wide is not None and abs(tilt) > wide and of_noise / tilt > 0.5:
            noisier = named(item.treatment) if tilt > 0 else study.verdict.named(study.verdict.control)
            yield (
                f"Part of what {named(item.treatment)} differs by is noise of single epochs, which is larger with "
                f"{noisier} and makes for {'higher maxima' if sign > 0 else 'lower minima'}: by a mean of {_SMOOTH} "
                f"epochs it gains {number(by_mean, gains[0])} instead of {number(by_epoch, gains[0])}. "
                f"--score {smooth} judges by that."
            )


def _epoch_noise(curve: NDArray[np.float64]) -> float:
    """The sd of single epochs about a smooth curve, which second differences leave out."""
    bends = np.abs(np.diff(curve[np.isfinite(curve)], 2))
    return float(bends.mean() / 1.95) if bends.size else math.nan  # sqrt(6) times the mean of a normal's size


def _short(study: StudyResults) -> Iterator[str]:
    runs = by_run(study.curves, VAL_LOSS)
    if runs.empty or runs.index.max() < 2:
        return
    from_end = runs.notna().to_numpy()[::-1].argmax(0)
    lasts = pd.Series(runs.index.to_numpy()[::-1][from_end], runs.columns)
    if lasts.min() < lasts.max():
        yield (
            f"Runs have {lasts.min()} to {lasts.max()} epochs with a finite validation loss: "
            "a shorter one had fewer chances at a low one."
        )
    ends = lasts.groupby(level=0, observed=True).mean().to_dict()
    lowest = zip(study.spec.labels, study.summary["epoch"], strict=True)
    falling = [label for label, epoch in lowest if label in ends and epoch >= STILL_FALLING * ends[label]]
    if falling:
        names = ", ".join(map(label_text, falling))
        where = f"With {names}" if study.spec.named else f"At {'rate' if len(falling) == 1 else 'rates'} {names}"
        yield f"{where} the validation loss still falls at the end: more epochs may change the verdict."

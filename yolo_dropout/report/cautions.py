"""What a reader should know before trusting the numbers, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from yolo_dropout.base.text import rate_text
from yolo_dropout.folder.results_csv import VAL_LOSS
from yolo_dropout.report.data import ReportData
from yolo_dropout.report.figures.series import block_columns, by_run
from yolo_dropout.spec.study_spec import LEAST_SEEDS

ENOUGH_SEEDS = 5
SMALL_VALIDATION = 100
STILL_FALLING = 0.97


def warnings_of(data: ReportData) -> tuple[str, ...]:
    """All warnings for this study, the gravest first, without repetition."""
    sources = (_missing, _versions, _seeds, _small, _short)
    own = [*grave_warnings(data), *(line for source in sources for line in source(data))]
    told = [*data.prepared.get("notes", ()), *([data.branch_note] if data.branch_note else []), *data.notes]
    return tuple(dict.fromkeys(own + told))


def grave_warnings(data: ReportData) -> tuple[str, ...]:
    """Those by which the runs may not be what they are taken for."""
    return (*_unknown(data), *_inert(data))


def _unknown(data: ReportData) -> Iterator[str]:
    if data.ours:
        return
    task = data.prepared.get("task")
    start = "These runs were not made by this project, and their files do not say whether dropout acted."
    if task == "classify":
        yield (
            f"{start} In classification Ultralytics itself applies dropout= at the model's own Dropout layer; on a CPU "
            "that shifts the augmentation too, so that each rate saw other crops than the control."
        )
    else:
        yield f"{start} Outside classification Ultralytics ignores dropout=, so it most likely did not."


def _inert(data: ReportData) -> Iterator[str]:
    """A rate whose curves all equal the control's to the last digit: dropout cannot have acted."""
    control = data.curves[data.curves["rate"] == 0.0]
    for rate in data.rates[1:]:
        other = data.curves[data.curves["rate"] == rate]
        # The first seed settles it for nearly every study; only then are millions of values compared.
        first = other[other["seed"] == other["seed"].min()]
        if _equal(first, control, alone=True) and _equal(other, control, alone=False):
            yield f"Rate {rate_text(rate)} gives the very curves of rate 0.0: dropout did not act in these runs."


def _equal(runs: pd.DataFrame, control: pd.DataFrame, *, alone: bool) -> bool:
    """Whether runs equal the control's of their seeds; without any such seed, the answer is `alone`."""
    keys = [*block_columns(runs), "metric", "epoch"]
    both = runs.merge(control[control["seed"].isin(runs["seed"].unique())], on=keys, suffixes=("", "_control"))
    return alone if both.empty else both["value"].equals(both["value_control"].rename("value"))


def _missing(data: ReportData) -> Iterator[str]:
    if data.failed:
        runs = max(data.planned, len(data.records))
        rests = "; the verdict rests on the others" if data.verdict and data.verdict.n_seeds else ""
        yield f"{len(data.failed)} of {runs} runs failed{rests}."
    if data.planned > len(data.records):
        left = data.planned - len(data.records)
        yield f"{left} of {data.planned} runs have not ended yet; numbers may still change."
    seeds = set(data.scores.index.get_level_values(0))  # others may be there from before, and count for nothing
    finished = sum(record["status"] == "finished" and record["seed"] in seeds for record in data.records)
    scored = int(data.scores.notna().to_numpy().sum())
    if finished > scored:
        yield f"{finished - scored} finished runs have no finite score: their training diverged."


def _versions(data: ReportData) -> Iterator[str]:
    """Runs made before and after an upgrade differ for another reason than their rates."""
    found = [record.get("versions") or {} for record in data.records if record["status"] == "finished"]
    for package in dict.fromkeys(name for versions in found for name in versions):
        several = sorted({versions[package] for versions in found if package in versions})
        if len(several) > 1:
            yield f"Runs were made with {package} {' and '.join(several)}: that alone can make a difference."


def _seeds(data: ReportData) -> Iterator[str]:
    count = data.verdict.n_seeds if data.verdict else len(data.scores)
    basis = data.verdict.basis if data.verdict else data.blocks
    folds = " folds" if data.folded else ""
    if count < LEAST_SEEDS:
        cause = "the images" if data.folded else "the seed"
        noise = f"{cause} alone move{'' if data.folded else 's'} a score as much as most rates do"
        yield f"{basis} cannot carry a verdict: {noise}. Use {ENOUGH_SEEDS}{folds} or more."
    elif count < ENOUGH_SEEDS:
        detectable = data.verdict.detectable if data.verdict else None
        size = f" (about {detectable:.2g} and more)" if detectable else ""
        yield f"{basis} find only large effects{size}. {ENOUGH_SEEDS}{folds} or more find smaller ones."


def _small(data: ReportData) -> Iterator[str]:
    n_val = None if data.folded else data.prepared.get("n_val")
    if isinstance(n_val, int) and 0 < n_val < SMALL_VALIDATION:
        yield (
            f"The validation set has {n_val} images. The verdict holds for these images; "
            "on others it may come out differently, however many seeds there are."
        )


def _short(data: ReportData) -> Iterator[str]:
    runs = by_run(data.curves, VAL_LOSS)
    if runs.empty or "epoch" not in data.summary or runs.index.max() < 2:
        return
    from_end = runs.notna().to_numpy()[::-1].argmax(0)
    lasts = pd.Series(runs.index.to_numpy()[::-1][from_end], runs.columns)
    if lasts.min() < lasts.max():
        yield (
            f"Runs have {lasts.min()} to {lasts.max()} epochs with a finite validation loss: "
            "a shorter one had fewer chances at a low one."
        )
    ends = lasts.groupby(level=0).mean().to_dict()
    lowest = dict(zip(data.summary["rate"].astype(float), data.summary["epoch"].astype(float), strict=True))
    falling = [rate for rate, epoch in lowest.items() if rate in ends and epoch >= STILL_FALLING * ends[rate]]
    if falling:
        rates = ", ".join(rate_text(rate) for rate in falling)
        where = f"{'rate' if len(falling) == 1 else 'rates'} {rates}"
        yield f"At {where} the validation loss still falls at the end: more epochs may change the verdict."

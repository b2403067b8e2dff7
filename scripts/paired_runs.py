"""Scores of finished studies, run by run, as one CSV; and what sets of a few seeds of each would have said.

    python scripts/paired_runs.py runs/dropout/a runs/dropout/b --table docs/data/paired-runs.csv   # from study folders
    python scripts/paired_runs.py --table docs/data/paired-runs.csv                                 # from that file

The first writes the file; both print the verdicts on rates 0.0 and 0.1 of each set of `--seeds` seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from yolo_dropout import load_study
from yolo_dropout.base.files import write_text
from yolo_dropout.decision import decide
from yolo_dropout.errors import YoloDropoutError
from yolo_dropout.folder.results_csv import VAL_LOSS
from yolo_dropout.results.table import scores
from yolo_dropout.spec.score import Score

SCORES = ("val/loss", "val/loss@last5", "val/loss@last10", "val/cls_loss@last10", "headline")


def runs_of(folder: Path) -> pd.DataFrame:
    """One row per run of a study: the study's folder, seed, rate, and its scores."""
    study = load_study(folder)
    spec = study.spec
    found = {}
    for name in SCORES:
        score = Score.parse((study.table.headline or "") if name == "headline" else name)
        if score.column not in {VAL_LOSS, *study.curves["metric"]}:
            continue  # a classifier has no losses by part
        wide = scores(study.table, score, spec.rates, spec.seeds)
        found[name] = wide.melt(ignore_index=False, value_name=name).set_index("rate", append=True)[name]
    table = pd.DataFrame(found).dropna().reset_index()
    return table.assign(study=folder.name).reindex(columns=["study", "seed", "rate", *SCORES])


def verdicts(runs: pd.DataFrame, score: str, seeds: int) -> list[str]:
    """What each set of so many seeds says of rates 0.0 and 0.1, and all seeds together."""
    wide = runs.pivot_table(index="seed", columns="rate", values=score)[[0.0, 0.1]].dropna()
    whole = [wide.iloc[start : start + seeds] for start in range(0, len(wide) - seeds + 1, seeds)]
    found = [decide(part.to_numpy(), (0.0, 0.1), score == "headline") for part in (*whole, wide)]
    return [f"{verdict.outcome} {verdict.treatment}" for verdict in found]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", type=Path, nargs="*", help="folders of finished studies")
    parser.add_argument("--seeds", type=int, default=5, help="how many a set has (default 5)")
    parser.add_argument("--table", type=Path, required=True, help="the CSV file, one row per run")
    asked = parser.parse_args(arguments)
    try:
        if asked.studies:
            table = pd.concat([runs_of(folder) for folder in asked.studies])
            write_text(asked.table, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    except YoloDropoutError as error:
        print(f"paired_runs: {error}", file=sys.stderr)
        return 2
    print(f"| study | score | sets of {asked.seeds} seeds | all seeds |\n| --- | --- | --- | --- |")
    for name, runs in pd.read_csv(asked.table).groupby("study", sort=False):
        for score in (score for score in SCORES if runs[score].notna().any()):
            *sets, whole = verdicts(runs, score, asked.seeds)
            counts = ", ".join(f"{n} of {len(sets)}: {said}" for said, n in pd.Series(sets).value_counts().items())
            print(f"| {name} | {score} | {counts} | {whole} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

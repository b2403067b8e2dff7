"""A factorial of dropout, weight decay and augmentation on the embedded detection set, and its interactions.

    python scripts/factorial.py --out runs/dropout/factorial

What it asks is fixed in docs/remedies.md. The same command again goes on, and a finished study is only read.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from yolo_dropout import Dropout, StudySpec, Treatment, run_study
from yolo_dropout.base.text import CONTROL
from yolo_dropout.folder.study_file import read_config
from yolo_dropout.spec.embedded import embedded_path

DECAY = {"weight_decay": 0.005}
# Ultralytics' own defaults but for the flip: a mirrored digit is none.
AUGMENTATION = {"mosaic": 1.0, "scale": 0.5, "translate": 0.1, "hsv_h": 0.015, "hsv_s": 0.7, "hsv_v": 0.4}
FACTORS: dict[str, dict[str, Any]] = {"dropout": {}, "decay": DECAY, "augmentation": AUGMENTATION}


def name(factors: frozenset[str]) -> str:
    """What a cell is called as a treatment."""
    return "0.1" if factors == {"dropout"} else " + ".join(sorted(factors)) if factors else CONTROL


CELLS = [frozenset(cell) for n in range(4) for cell in itertools.combinations(FACTORS, n)]


def spec() -> StudySpec:
    """Eight cells, of which the control and dropout alone are rates."""
    named = [
        Treatment(
            name(cell),
            Dropout(0.1) if "dropout" in cell else Dropout(),
            {key: value for factor in cell for key, value in FACTORS[factor].items()},
        )
        for cell in CELLS
        if cell and cell != {"dropout"}
    ]
    values = read_config(embedded_path("digits-detect/study.yaml"))
    values |= {
        "rates": (0, 0.1),
        "treatments": tuple(named),
        "seeds": tuple(range(200, 205)),
        "score": "val/loss@last5",
        "max_seeds": 5,
        "train": values["train"] | {"epochs": 25, "lrf": 0.3},
    }
    return StudySpec.from_dict(values)


def contrast(losses: pd.DataFrame, signs: dict[frozenset[str], int]) -> str:
    """A sum of cells by seed: its mean, and its 95 % t interval over seeds."""
    by_seed = sum(sign * losses[name(cell)] for cell, sign in signs.items())
    values = np.asarray(by_seed, dtype=float)
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.3f} ({values.mean() - half:+.3f} to {values.mean() + half:+.3f})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the study's folder")
    study = run_study(spec(), parser.parse_args().out)
    losses, nothing = study.scores, frozenset[str]()
    print(f"{study.verdict.reason}\n")
    print(f"| effect on {study.score.words}, lower is better | mean (95 % interval) |\n|---|---|")
    for one in FACTORS:
        print(f"| {one} alone | {contrast(losses, {frozenset({one}): 1, nothing: -1})} |")
    for one, other in itertools.permutations(FACTORS, 2):
        print(f"| {one} on top of {other} | {contrast(losses, {frozenset({one, other}): 1, frozenset({other}): -1})} |")
    for pair in itertools.combinations(FACTORS, 2):
        first, second = (frozenset({factor}) for factor in pair)
        signs = {first | second: 1, second: -1, first: -1, nothing: 1}
        print(f"| interaction of {' and '.join(pair)} | {contrast(losses, signs)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

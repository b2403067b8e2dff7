"""Does dropout help YOLO, alone and on top of augmentation? Small data sets of two kinds and tasks, ten seeds each.

    python scripts/evidence.py --out runs/evidence --table docs/data/evidence.csv --picture docs/images/evidence.png
    python scripts/evidence.py --table docs/data/evidence.csv      # only the answers, from that file

What it asks is fixed in docs/questions.md. The first trains what is missing, for YOLO26 about half an hour on two
cores, writes the scores of every run, and draws the answers; both print them. Other families (`--families 11 v8`) need
starters of their own, which are trained first, and join those that the table has.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import build_starter
import numpy as np
import pandas as pd
from factorial import AUGMENTATION
from scipy import stats

from yolo_dropout import Dropout, Study, StudySpec, Treatment, run_study
from yolo_dropout.base.files import write_text
from yolo_dropout.folder.study_file import read_config
from yolo_dropout.report.figures import style
from yolo_dropout.spec.embedded import embedded_path

SETS = ("digits-detect", "fashion-detect", "digits-classify", "fashion-classify")
# What Ultralytics does by default, but for the flip: a mirrored digit is none, and all sets are treated alike. Where
# RandAugment changes a classifier's images, Ultralytics leaves their colours.
OF_CLASSIFIERS = {"scale": 0.5, "auto_augment": "randaugment", "erasing": 0.4}
# Layers before the head, by family and task: the head alone learns, as in the embedded studies.
FROZEN = {"26": (23, 10), "11": (23, 10), "v8": (22, 9)}
SEEDS = tuple(range(600, 610))
LAST, HEADLINE = "val/loss@last10", "headline"
TITLES = {
    LAST: "loss of the last ten epochs, lower by % of the control's",
    "val/loss@best": "loss of best.pt, lower by % of the control's",
    "val/loss": "lowest loss, lower by % of the control's",
    HEADLINE: "mAP50-95 or top-1 accuracy, points higher",
}
CONTROL, DROPOUT, AUGMENTED, BOTH = "0.0", "0.1", "augmentation", "dropout and augmentation"
QUESTIONS = {
    "dropout alone": (DROPOUT, CONTROL),
    "dropout on top of augmentation": (BOTH, AUGMENTED),
    "augmentation alone": (AUGMENTED, CONTROL),
}


class Answer(NamedTuple):
    """A mean difference within seeds, the better the higher, with its 95 % t interval and p value."""

    mean: float
    low: float
    high: float
    p: float


def spec(data: str, family: str, starters: Path) -> StudySpec:
    """A two by two design of dropout and augmentation on one of the sets."""
    classify = data.endswith("classify")
    values = read_config(embedded_path(f"{data}/study.yaml"))
    more = OF_CLASSIFIERS if classify else AUGMENTATION
    if family != "26":
        starter = build_starter.place("classify" if classify else "detect", starters.resolve(), family)
        if not starter.exists():
            build_starter.build("classify" if classify else "detect", starter, family)
        values["model"] = str(starter)
    values |= {
        "rates": (0.0, 0.1),
        "treatments": (Treatment(AUGMENTED, Dropout(), more), Treatment(BOTH, Dropout(0.1), more)),
        "seeds": SEEDS,
        "max_seeds": len(SEEDS),
        "score": LAST,
        "train": values["train"] | {"freeze": FROZEN[family][classify]},
    }
    return StudySpec.from_dict(values)


def rows(study: Study) -> Iterator[dict[str, Any]]:
    """The scores of every run."""
    for name in TITLES:
        score = study.table.headline or "" if name == HEADLINE else name
        for seed, by_treatment in replace(study, spec=replace(study.spec, score=score)).scores.iterrows():
            for treatment, value in by_treatment.items():
                yield {"seed": seed, "treatment": treatment, "score": name, "value": value}


def read(table: Path) -> pd.DataFrame:
    """The scores of every run, as `main` wrote them."""
    return pd.read_csv(table, dtype={"family": str, "treatment": str})


def answer(runs: pd.DataFrame, question: str) -> Answer:
    """What the runs of one set and score say, in per cent of the control's mean loss, or points of mAP or accuracy."""
    by_seed = runs.pivot_table(index="seed", columns="treatment", values="value")
    one, other = QUESTIONS[question]
    headline = runs["score"].iloc[0] == HEADLINE
    unit = 100 if headline else -100 / by_seed[CONTROL].mean()
    gains = unit * (by_seed[one] - by_seed[other]).dropna().to_numpy()
    found = stats.ttest_1samp(gains, 0.0)
    low, high = found.confidence_interval(0.95)
    return Answer(float(gains.mean()), float(low), float(high), float(found.pvalue))


def answers(table: pd.DataFrame) -> pd.DataFrame:
    """One row per family, set, score and question; `clear` by Holm over what LAST says of dropout in a family."""
    cells = table.groupby(["family", "data", "score"], sort=False)
    found = pd.DataFrame(
        [{**dict(zip(cells.keys, key, strict=True)), "question": question, **answer(runs, question)._asdict()}
         for key, runs in cells for question in QUESTIONS]
    )  # fmt: skip
    asked = found[(found["score"] == LAST) & found["question"].str.startswith("dropout")]
    return found.assign(clear=asked.groupby("family")["p"].transform(holm) < 0.05)


def holm(p: pd.Series) -> pd.Series:
    """The p values, corrected for their number after Holm (1979)."""
    ranked = p.sort_values()
    return (ranked * np.arange(len(ranked), 0, -1)).cummax()


def printed(found: pd.DataFrame) -> str:
    """The answers as a table; what is clear has a star."""
    lines = ["| model | data | " + " | ".join(QUESTIONS) + " |", "| --- " * (2 + len(QUESTIONS)) + "|"]
    for score, title in TITLES.items():
        lines.append(f"| | **{title}** |" + " |" * len(QUESTIONS))
        of_score = found[found["score"] == score]
        for (family, data), rows in of_score.groupby(["family", "data"], sort=False):
            cells = [
                f"{row.mean:+.1f} ({row.low:+.1f} to {row.high:+.1f})" + (" *" if row.clear is True else "")
                for row in rows.itertuples()
            ]
            lines.append(f"| YOLO{family}n | {data} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(found: pd.DataFrame, path: Path) -> None:
    """What dropout does alone and on top of augmentation, by set: to the loss at the end, and to mAP or accuracy."""
    names = [f"YOLO{row.family}n, {row.data}" for row in found[["family", "data"]].drop_duplicates().itertuples()]
    figure, panels = style.new_figure(1.9 + 0.46 * len(names), columns=2)
    colours = dict(zip(list(QUESTIONS)[:2], list(style.colours([0.0, 0.1, 0.3]).values())[1:], strict=True))
    titles = {LAST: "loss at the end, % lower", HEADLINE: "mAP50-95 or top-1, points higher"}
    for ax, (score, title) in zip(panels, titles.items(), strict=True):
        ax.grid(visible=False, axis="y")
        ax.grid(visible=True, axis="x", color=style.GRID)
        ax.axvline(0.0, color=style.INK, linewidth=1.2, linestyle="--")
        for aside, (question, colour) in zip((-0.14, 0.14), colours.items(), strict=True):
            shown = found[(found["score"] == score) & (found["question"] == question)]
            places = np.arange(len(shown)) + aside
            ax.hlines(places, shown["low"], shown["high"], color=colour, linewidth=2)
            ax.plot(shown["mean"], places, "D", color=colour, markersize=6, label=question)
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xlabel(title, color=style.MUTED, fontsize=style.TEXT_PT)
    panels[1].set_yticklabels([])
    style.finish(
        figure,
        "What dropout of 0.1 does alone, and on top of augmentation",
        f"Differences within {len(SEEDS)} seeds: right of the dashed line dropout is better",
        ["Diamonds: means; bars: 95 % t intervals."],
    )
    figure.subplots_adjust(left=0.28, wspace=0.08)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower right", ncols=2, frameon=False)
    figure.savefig(path, dpi=150)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="the folder of the studies; without it nothing is trained")
    parser.add_argument("--families", nargs="+", choices=FROZEN, default=["26"], help="of models (default: 26)")
    parser.add_argument("--table", type=Path, required=True, help="the CSV file, one row per run and score")
    parser.add_argument("--picture", type=Path, help="a PNG file to draw")
    asked = parser.parse_args(words)
    if asked.out:
        asked.out.mkdir(parents=True, exist_ok=True)
        before = (
            [read(asked.table).loc[lambda table: ~table["family"].isin(asked.families)]] if asked.table.exists() else []
        )
        parts = [
            pd.DataFrame(rows(run_study(spec(data, family, asked.out), asked.out / f"{data}-{family}")))
            .assign(family=family, data=data)
            for family in asked.families for data in SETS
        ]  # fmt: skip
        table = pd.concat([*before, *parts])[["family", "data", "seed", "treatment", "score", "value"]]
        write_text(asked.table, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    elif not asked.table.exists():
        parser.error(f"--table: {asked.table} is not there; give --out too, and it is made")
    found = answers(read(asked.table))
    print(printed(found))
    if asked.picture:
        draw(found, asked.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Train the classification set at rate 0.0 with many seeds: real noise, against which the verdict is calibrated.

Every run is a control, so whichever of them plays "a rate", no effect exists. `calibrate.py` resamples the scores.

    python scripts/null_study.py --seeds 240 --out runs/null --table docs/data/null-study.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from yolo_dropout import StudySpec
from yolo_dropout.embedded import embedded_path
from yolo_dropout.executors import Ended, Job
from yolo_dropout.executors.local import LocalExecutor
from yolo_dropout.executors.worker import ULTRALYTICS
from yolo_dropout.files import StudyFolder
from yolo_dropout.folder import read_config
from yolo_dropout.plan import Run
from yolo_dropout.records import read_records
from yolo_dropout.score import Score
from yolo_dropout.table import read_table, scores

SCORES = ("val/loss", "val/loss@last5", "metrics/accuracy_top1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=240, help="how many runs")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/null"), help="where the runs go; goes on where it stopped"
    )
    parser.add_argument("--table", type=Path, required=True, help="the CSV file to write: one row per seed")
    asked = parser.parse_args()

    spec = StudySpec.from_dict(read_config(embedded_path("digits-classify/study.yaml")) | {"seeds": asked.seeds})
    folder = StudyFolder(asked.out.resolve())
    folder.runs.mkdir(parents=True, exist_ok=True)
    executor = LocalExecutor(asked.jobs)
    executor.call(ULTRALYTICS.prepare, spec, log=folder.path / "prepare.log")
    done = {record.run for record in read_records(folder)[0]}
    runs = [Run(seed, 0.0) for seed in spec.seeds if Run(seed, 0.0) not in done]
    for event in executor.run((Job(run, spec, folder.run(run.name).path) for run in runs), ULTRALYTICS):
        if isinstance(event, Ended):
            print(f"seed {event.run.seed}: {event.record.status} in {event.record.seconds:g} s", flush=True)
    records, _ = read_records(folder)
    table = read_table({item.run: folder.run(item.run.name).results for item in records if item.finished})
    columns = {name: scores(table, Score.parse(name), (0.0,), spec.seeds)[0.0] for name in SCORES}
    asked.table.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).rename_axis("seed").to_csv(asked.table, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    main()

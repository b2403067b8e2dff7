"""Train the classification set at rate 0.0 with many seeds: real noise, against which the verdict is calibrated.

Every run is a control, so whichever of them plays "a rate", no effect exists. `calibrate.py` resamples the scores.
The same command again trains only what is missing or has failed.

    python scripts/null_study.py --seeds 240 --out runs/null --table docs/data/null-study.csv
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from yolo_dropout import StudySpec
from yolo_dropout.base.files import write_text
from yolo_dropout.base.text import CONTROL
from yolo_dropout.errors import SpecError, YoloDropoutError
from yolo_dropout.executors import Backend, Ended, Job
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.ultralytics.backend import ULTRALYTICS
from yolo_dropout.folder.claim import hold
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import read_records
from yolo_dropout.folder.same_study import check_same_study
from yolo_dropout.folder.study_file import read_config, stored_study, write_study_file
from yolo_dropout.results.table import read_table, scores
from yolo_dropout.spec.embedded import embedded_path
from yolo_dropout.spec.runs import Run
from yolo_dropout.spec.score import Score

SCORES = ("val/loss", "val/loss@last5", "metrics/accuracy_top1")


def train_controls(spec: StudySpec, folder: StudyFolder, jobs: int, backend: Backend) -> None:
    """Train the spec's control with every seed that has no finished run yet.

    Raises:
        YoloDropoutError: The folder holds another study or is in use, or preparing failed.
    """
    with hold(folder):
        stored = stored_study(folder)
        check_same_study(folder, spec, stored)
        executor = LocalExecutor(jobs)
        found = executor.call(backend.inspect, spec, log=folder.path / "prepare.log")
        write_study_file(folder, spec, found.stored, stored)
        finished = {record.run for record in read_records(folder)[0] if record.finished}
        runs = [run for run in (Run(seed, CONTROL) for seed in spec.seeds) if run not in finished]
        for event in executor.run((Job(run, spec, folder.run(run.name).path) for run in runs), backend):
            if isinstance(event, Ended):
                print(f"seed {event.run.seed}: {event.record.error or event.record.status}", flush=True)


def score_table(spec: StudySpec, folder: StudyFolder) -> pd.DataFrame:
    """The scores of the control runs: one row per seed, one column per score; NaN where no run has finished.

    Raises:
        InputError: The runs lack a metric.
    """
    finished = [record.run for record in read_records(folder)[0] if record.finished]
    table = read_table({run: folder.run(run.name).results for run in finished})
    columns = {name: scores(table, Score.parse(name), (0.0,), spec.seeds)[0.0] for name in SCORES}
    return pd.DataFrame(columns).rename_axis("seed")


def main(arguments: Sequence[str] | None = None, backend: Backend = ULTRALYTICS) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=240, help="how many runs (default 240)")
    parser.add_argument("--jobs", type=int, default=2, help="how many train at a time (default 2)")
    parser.add_argument("--out", type=Path, default=Path("runs/null"), help="the runs' folder (default runs/null)")
    parser.add_argument("--table", type=Path, required=True, help="the CSV file to write: one row per seed")
    asked = parser.parse_args(arguments)
    try:
        if asked.jobs < 1:
            raise SpecError(f"jobs: must be 1 or more, got {asked.jobs}; use --jobs 2")
        spec = StudySpec.from_dict(read_config(embedded_path("digits-classify/study.yaml")) | {"seeds": asked.seeds})
        folder = StudyFolder(asked.out.resolve())
        train_controls(spec, folder, asked.jobs, backend)
        table = score_table(spec, folder)
        asked.table.parent.mkdir(parents=True, exist_ok=True)
        write_text(asked.table, table.to_csv(float_format="%.6g", lineterminator="\n"))
    except YoloDropoutError as error:
        print(f"null_study: {error}", file=sys.stderr)
        return 2
    print(f"{len(table.dropna())} of {len(table)} runs finished; wrote {asked.table}")
    return int(table.isna().any(axis=None))


if __name__ == "__main__":
    sys.exit(main())

"""How alike the runs of a seed are, with masks and augmentation from one stream of random numbers and from two.

    python scripts/pairing.py                                                 # only the head learns
    python scripts/pairing.py --whole-network --rates 0 0.1 0.3 --seeds 10

Two studies on digits-classify with Ultralytics' own augmentation, though without flips: ten to twelve minutes on two
cores, and the table of docs/statistics.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from yolo_dropout.executors import Job, OnEpoch, Outcome
from yolo_dropout.executors.ultralytics.backend import ULTRALYTICS
from yolo_dropout.folder.study_file import read_config
from yolo_dropout.spec.embedded import embedded_path
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import Study, run_study

# What the embedded study switches off, that is, all but the flips: they turn digits into others.
_AUGMENTATION = ("auto_augment", "erasing", "scale", "hsv_h", "hsv_s", "hsv_v")


def one_stream(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train with masks from the stream that augmentation draws from too, as stock does."""
    from yolo_dropout.training.mask_stream import MaskStream

    MaskStream.enter = lambda _stream: None  # type: ignore[method-assign, assignment]  # in this process
    return ULTRALYTICS.train(job, on_epoch)


BACKENDS = {
    "one stream": replace(ULTRALYTICS, train=one_stream),
    "two streams": ULTRALYTICS,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whole-network", action="store_true", help="train the backbone too")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.0, 0.1, 0.2, 0.3])
    parser.add_argument("--seeds", type=int, default=16)
    asked = parser.parse_args()
    values = read_config(embedded_path("digits-classify/study.yaml"))
    left_out = (*_AUGMENTATION, *(["freeze"] if asked.whole_network else []))
    train = {name: value for name, value in values["train"].items() if name not in left_out}
    spec = StudySpec.from_dict(values | {"rates": asked.rates, "seeds": asked.seeds, "train": train})
    print("| masks and augmentation draw from | correlation | sd of a paired difference | found reliably |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name, backend in BACKENDS.items():
            study = run_study(spec, Path(folder) / name.replace(" ", "-"), backend=backend)
            print(f"| {name} | {row(study)} |", flush=True)
    return 0


def row(study: Study) -> str:
    """Correlation with the control within seeds, least and most noise of a paired difference, and what that finds."""
    scores, verdict = study.scores, study.verdict
    spread = scores.drop(columns=0.0).sub(scores[0.0], axis=0).std()
    return f"{verdict.correlation:.3f} | {spread.min():.4f} to {spread.max():.4f} | {verdict.detectable:.4f}"


if __name__ == "__main__":
    sys.exit(main())

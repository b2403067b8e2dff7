"""Time per run of the ways to train a grid of dropout rates, ours among them, side by side in one go.

    python scripts/benchmark.py                       # three workloads, each way once; an hour on two cores
    python scripts/benchmark.py --workload coco8      # one of them
    python scripts/benchmark.py --inference           # what dropout costs in a prediction, against plain ones; minutes

The floor is the time inside training steps and validations of our runs, over the cores: what would be left if nothing
else took any. Our runs at rate 0 must have the curves of the shell loop, or the benchmark fails. The other ways may
differ where Ray is installed: a training after the import of Ray Tune, or after another one in the same process, draws
other random numbers for its augmentation. Let nothing else run.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmark_inference import benchmark
from benchmark_ways import WAYS, Workload, curves
from timed_sweep import TIMES

from yolo_dropout.executors.resources import cores
from yolo_dropout.folder.study_file import read_config
from yolo_dropout.spec.embedded import embedded_path
from yolo_dropout.spec.study_spec import StudySpec

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "coco8"
RATES = (0.0, 0.1, 0.2, 0.3)
SHELL, OURS = "shell loop of yolo train", "ours"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=["coco8", "detect", "classify"], help="only this one")
    parser.add_argument("--seeds", type=int, default=3, help="four times as many runs (default 3)")
    parser.add_argument("--epochs", type=int, help="instead of the workload's own")
    parser.add_argument("--device", help="for instance 0; the CPU where this is left out")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="only these ways; again for more")
    parser.add_argument("--inference", action="store_true", help="only what dropout costs in a prediction")
    asked = parser.parse_args()
    print(f"{date.today()}, {platform.machine()}, {cores()} cores, {_versions()}\n")
    if asked.inference:
        benchmark()
        return 0
    equal: list[bool] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in [asked.workload] if asked.workload else ["coco8", "detect", "classify"]:
            given = {"epochs": asked.epochs, "device": asked.device}
            given = {key: value for key, value in given.items() if value is not None}
            work = workload(name, Path(folder), tuple(range(asked.seeds)), given)
            equal.append(_benchmark(work, Path(folder) / name, asked.way or list(WAYS)))
    return 0 if all(equal) else 1


def _benchmark(work: Workload, out: Path, ways: list[str]) -> bool:
    """Print the table of one workload; whether our curves at rate 0 are those of the shell loop."""
    print(f"### {work.name}, {len(work.runs)} runs\n\n| way | s a run | against the shell loop |\n| --- | --- | --- |")
    seconds: dict[str, float] = {}
    for way in ways:
        if "use_ray" in way and find_spec("ray") is None:
            print(f"| {way} | Ray is not installed | |", flush=True)
            continue
        start = time.perf_counter()
        WAYS[way](work, out / way.replace(" ", "-"))
        seconds[way] = (time.perf_counter() - start) / len(work.runs)
        faster = f"{seconds[SHELL] / seconds[way]:.2f} x" if SHELL in seconds else ""
        print(f"| {way} | {seconds[way]:.2f} | {faster} |", flush=True)
    if OURS in ways:
        floor = _floor(out / OURS, work)
        faster = f"{seconds[SHELL] / floor:.2f} x" if SHELL in seconds else ""
        seconds["floor"] = floor
        print(f"| floor | {floor:.2f} | {faster} |\n")
    compared = [_compare(out, way, work, seconds) for way in seconds if OURS in seconds and way != OURS]
    return all(compared)


def _compare(out: Path, way: str, work: Workload, seconds: dict[str, float]) -> bool:
    equal = way == "floor" or _equal(out, way, work)
    told = "" if way == "floor" else f", curves at rate 0 are {'equal' if equal else 'NOT EQUAL'}"
    print(f"ours takes {seconds[OURS] / seconds[way]:.3f} times as long as {way}{told}", flush=True)
    return equal or way != SHELL


def workload(name: str, folder: Path, seeds: tuple[int, ...], given: dict[str, Any]) -> Workload:
    """One of the three workloads, with its data copied to where label caches may be written."""
    if name == "coco8":
        source = SHARED if SHARED.is_dir() else embedded_path("digits-detect")
        data = shutil.copytree(source, folder / source.name) / ("coco8.yaml" if SHARED.is_dir() else "data.yaml")
        train = {"imgsz": 320, "epochs": 20, **given}
        spec = StudySpec("yolo26n.yaml", str(data), RATES, seeds, train)
        return Workload(f"{source.name} at {train['imgsz']} px, {spec.epochs} epochs", spec)
    values = read_config(embedded_path(f"digits-{name}/study.yaml"))
    values |= {"rates": RATES, "seeds": seeds, "train": values["train"] | given}
    spec = StudySpec.from_dict(values)
    return Workload(f"digits-{name}, {spec.epochs} epochs", spec)


def _floor(study: Path, work: Workload) -> float:
    """Seconds a run, over the cores."""
    files = [study / "runs" / run.name / TIMES for run in work.runs]
    at_once = cores() if "device" not in work.spec.train else 1
    return sum(sum(json.loads(file.read_text()).values()) for file in files) / len(files) / at_once


def _equal(out: Path, way: str, work: Workload) -> bool:
    controls = [run for run in work.runs if run.rate == 0]
    ours = [curves(out / OURS / "runs" / run.name) for run in controls]
    if "ray" in way:  # its folders do not tell which run is which
        found = [curves(file.parent) for file in (out / way.replace(" ", "-")).rglob("results.csv")]
        return all(any(mine.equals(theirs) for theirs in found) for mine in ours)
    root = out / way.replace(" ", "-") / ("runs" if way.startswith(OURS) else "")
    return all(mine.equals(curves(root / run.name)) for mine, run in zip(ours, controls, strict=True))


def _versions() -> str:
    return ", ".join(f"{name} {version(name)}" for name in ("yolo-dropout", "ultralytics", "torch"))


if __name__ == "__main__":
    sys.exit(main())

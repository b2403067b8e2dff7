"""Time per run of the ways to train a grid of dropout rates, ours among them, side by side in one go.

    python scripts/benchmark.py                       # three workloads, each way once; an hour on two cores
    python scripts/benchmark.py --workload coco8      # one of them
    python scripts/benchmark.py --parts               # only ours, and where the time goes that is no training
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
from timed_sweep import TIMES, marks_of

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
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--way", action="append", choices=list(WAYS), help="only these ways; again for more")
    only.add_argument("--parts", action="store_true", help="only ours, with what a study takes beside its trainings")
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
            ways = [OURS] if asked.parts else asked.way or list(WAYS)
            equal.append(_benchmark(work, Path(folder) / name, ways))
            if asked.parts:
                _parts(Path(folder) / name / OURS, work)
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


def _parts(study: Path, work: Workload) -> None:
    """Print when which part of a study began and ended, and what its runs took beside steps and validations."""
    noted = [line.rsplit(" ", 1) for line in marks_of(study).read_text().splitlines()]
    at = {name: sorted(float(when) for mark, when in noted if mark == name) for name, _ in noted}
    first = {name: times[0] for name, times in at.items()}
    pairs = {
        "command line": (first["command"], first["words"]),
        "imports": (first["words"], first["inspection"]),
        "a look at model and data": (first["inspection"], first["inspected"]),
        "until the first run begins": (first["inspected"], first["run"]),
        "runs": (first["run"], at["ended"][-1]),
        "verdict, tables, pictures, report": (at["ended"][-1], first["exit"]),
    }
    n = len(work.runs)
    inside = sum(map(sum, (_times(study, run.name).values() for run in work.runs)))
    spent = {
        "before its first epoch": sum(at["training"]) - sum(at["run"]),
        "steps and validations": inside,
        "between them": sum(at["trained"]) - sum(at["training"]) - inside,
        "after its last epoch": sum(at["ended"]) - sum(at["trained"]),
    }
    print("\n| part of the study | s |\n| --- | --- |")
    print("\n".join(f"| {name} | {end - start:.2f} |" for name, (start, end) in pairs.items()))
    print(f"| one slot idle, while the last run ends | {at['ended'][-1] - at['ended'][-2]:.2f} |")
    print("\n| part of a run | s, mean |\n| --- | --- |")
    print("\n".join(f"| {name} | {seconds / n:.2f} |" for name, seconds in spent.items()), flush=True)


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
    at_once = cores() if "device" not in work.spec.train else 1
    return sum(sum(_times(study, run.name).values()) for run in work.runs) / len(work.runs) / at_once


def _times(study: Path, run: str) -> dict[str, float]:
    times: dict[str, float] = json.loads((study / "runs" / run / TIMES).read_text())
    return times


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

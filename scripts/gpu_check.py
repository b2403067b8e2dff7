"""What a GPU makes of this project, in eight minutes: its tests, the shell loop, a study, and how many runs share it.

    python scripts/gpu_check.py --data coco8.yaml --out gpu        # COCO8, or whatever detection data is at hand
    python scripts/gpu_check.py --out gpu                          # the embedded digits
    python scripts/gpu_check.py --device cpu --small --out gpu     # only to try the script itself

Each part is a process with a time limit of its own: one that fails or takes too long takes nothing else with it.
`--out` gets `gpu_check.json`, the tables as `gpu_check.md`, and `gpu_share.png`: runs, utilisation and memory of the
study over time. Stock's check of mixed precision is skipped where its model is out of reach, in either way.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml
from benchmark_ways import Workload, curves, shell_loop

from yolo_dropout.executors.resources import cores
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import read_records
from yolo_dropout.spec.embedded import embedded_path
from yolo_dropout.spec.runs import Run, plan
from yolo_dropout.spec.study_spec import StudySpec

ROOT = Path(__file__).resolve().parents[1]
# Which of these are left out where time is short: the last ones.
AT_ONCE = (1, 16, 4, 8, 2)
# Seconds, of each part and of all.
LIMITS = {"tests": 100, "loop": 240, "study": 110, "together": 130, "mps": 40, "compile": 80}
IN_ALL_S = 470


@dataclass(frozen=True)
class Check:
    """What is trained, and where.

    Attributes:
        data: A data YAML, copied to where label caches may be written.
        device: As `device=` takes it.
        small: Few epochs of small images, to try the script.
        out: Where everything goes.
        at_once: How many runs train at a time, one measurement after the other.
    """

    data: str
    device: str
    small: bool
    out: Path
    at_once: Sequence[int] = AT_ONCE

    def spec(self, rates: Sequence[float], seeds: int, epochs: int, **more: Any) -> StudySpec:
        """A study of yolo26n at 640 px."""
        size = {"imgsz": 64, "epochs": 2} if self.small else {"imgsz": 640, "epochs": epochs}
        return StudySpec("yolo26n.yaml", self.data, tuple(rates), seeds, {**size, "device": self.device, **more})  # type: ignore[arg-type]

    def sweep(
        self, spec: StudySpec, name: str, *options: object, environment: Mapping[str, str] | None = None
    ) -> float:
        """Run a study by its command line; the seconds that it took."""
        config, log = self.out / f"{name}.yaml", self.out / f"{name}.log"
        config.write_text(yaml.safe_dump(spec.as_dict()))
        words = [sys.executable, "-m", "yolo_dropout", "sweep", "--config", config, "--out", self.out / name, *options]
        begun = time.perf_counter()
        with log.open("w") as stream:
            subprocess.run(
                [str(word) for word in words],
                stdout=stream, stderr=subprocess.STDOUT, check=True, env={**os.environ, **(environment or {})},
            )  # fmt: skip
        return time.perf_counter() - begun

    def seconds(self, name: str) -> list[float]:
        """What each run of a study took, by its record."""
        records, _ = read_records(StudyFolder(self.out / name))
        return [record.seconds for record in records if record.finished and record.seconds]


def tests(_check: Check) -> dict[str, Any]:
    """The tests that need a GPU."""
    words = [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-p", "no:cacheprovider", "tests/training/test_gpu.py"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout[-6000:], done.stderr[-2000:])
    lines = done.stdout.strip().splitlines()
    return {
        "result": lines[-1] if lines else "none",
        "failures": [x for x in lines if x.startswith(("FAILED", "ERROR"))],
    }


def loop(check: Check) -> dict[str, Any]:
    """Four runs of `yolo train`, one after the other."""
    work, taken = Workload("loop", check.spec((0, 0.1), 2, 50)), list[float]()
    for run in _loop_runs(check):
        begun = time.perf_counter()
        shell_loop(work, check.out / "loop", [run])
        taken.append(time.perf_counter() - begun)
        _write(check, "loop", {"seconds": taken})  # what is there counts, also where the time is out
    return {"seconds": taken}


def _loop_runs(check: Check) -> tuple[Run, ...]:
    return plan(check.spec((0, 0.1), 1 if check.small else 2, 50))


def study(check: Check) -> dict[str, Any]:
    """Sixteen of the same runs as a study, with what the GPU did meanwhile."""
    spec = check.spec((0, 0.1), 1, 50) if check.small else check.spec((0, 0.1, 0.2, 0.3), 4, 50)
    seen: list[dict[str, float]] = []
    with _watched(check, "study", seen):
        wall = check.sweep(spec, "study")
    finished = (
        json.loads((check.out / "loop.json").read_text())["seconds"] if (check.out / "loop.json").exists() else ()
    )
    controls = [run.name for run, _ in zip(_loop_runs(check), finished, strict=False) if run.rate == 0]
    equal = {
        name: curves(check.out / "study/runs" / name).equals(curves(check.out / "loop" / name)) for name in controls
    }
    taken = check.seconds("study")
    return {"runs": len(taken), "wall": wall, "seconds": taken, "controls_equal": equal, "samples": seen}


def together(check: Check) -> dict[str, Any]:
    """Seconds a run at 1, 2, 4 … at a time, without what a study costs before its first run."""
    found: dict[int, float] = {}
    for n in (1, 2) if check.small else check.at_once:
        spec, name = check.spec((0, 0.1), max(1, n // 2), 10, workers=2), f"together-{n}"
        check.sweep(spec, name, "--jobs", n, *(() if check.device == "cpu" else ("--per-gpu", n)))
        found[n] = fmean(check.seconds(name)) / n
        _write(check, "together", {"seconds_a_run": found})
    return {"seconds_a_run": found}


def mps(check: Check) -> dict[str, Any]:
    """Eight at a time once more, with CUDA's Multi-Process Service."""
    if shutil.which("nvidia-cuda-mps-control") is None:
        return {"told": "nvidia-cuda-mps-control is not installed here"}
    pipes = {"CUDA_MPS_PIPE_DIRECTORY": str(check.out / "mps"), "CUDA_MPS_LOG_DIRECTORY": str(check.out / "mps-log")}
    control, environment = ["nvidia-cuda-mps-control"], {**os.environ, **pipes}
    for folder in pipes.values():
        Path(folder).mkdir()
    subprocess.run([*control, "-d"], env=environment, check=True)
    try:
        check.sweep(check.spec((0, 0.1), 4, 10, workers=2), "mps-8", "--jobs", 8, "--per-gpu", 8, environment=pipes)
    finally:
        subprocess.run(control, input="quit\n", text=True, env=environment, check=False)
    runs = ("p0.00-s0", "p0.10-s3")
    return {"seconds_a_run": fmean(check.seconds("mps-8")) / 8, "equal": _equal(check, "together-8", "mps-8", runs)}


def compile(check: Check) -> dict[str, Any]:
    """One at a time once more, with `compile=True`."""
    check.sweep(check.spec((0, 0.1), 1, 10, workers=2, compile=True), "compiled", "--jobs", 1)
    runs = ("p0.00-s0", "p0.10-s0")
    return {"seconds_a_run": fmean(check.seconds("compiled")), "equal": _equal(check, "together-1", "compiled", runs)}


PARTS: Mapping[str, Callable[[Check], dict[str, Any]]] = {
    part.__name__: part for part in (tests, loop, study, together, mps, compile)
}


def _equal(check: Check, one: str, other: str, runs: Sequence[str]) -> bool | None:
    """Whether runs of two studies have equal curves; None where one of the studies is not there."""
    if not all((check.out / study / "verdict.json").exists() for study in (one, other)):
        return None
    return all(curves(check.out / one / "runs" / x).equals(curves(check.out / other / "runs" / x)) for x in runs)


@contextlib.contextmanager
def _watched(check: Check, name: str, seen: list[dict[str, float]]) -> Iterator[None]:
    """Every half second: how many runs train, how busy the GPU is, and how much of its memory is taken."""
    over, begun = threading.Event(), time.perf_counter()

    def watch() -> None:
        while not over.wait(0.5):
            begun_runs = list((check.out / name / "runs").glob("*/train.log"))
            running = sum(not log.with_name("run.json").exists() for log in begun_runs)
            seen.append({"s": round(time.perf_counter() - begun, 2), "runs": running, **_gpu_now(check.device)})

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _gpu_now(device: str) -> dict[str, float]:
    if device == "cpu":
        return {}
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(int(device))
    busy, memory = pynvml.nvmlDeviceGetUtilizationRates(handle).gpu, pynvml.nvmlDeviceGetMemoryInfo(handle).used
    return {"busy": busy / 100, "gb": round(memory / 1e9, 2)}


def _write(check: Check, part: str, found: Mapping[str, Any]) -> None:
    (check.out / f"{part}.json").write_text(json.dumps(found))


def _run_part(part: str, check: Check, words: Sequence[str], limit_s: float) -> dict[str, Any]:
    """Run one part in a process of its own; whatever becomes of it is told in what it found."""
    begun, found = time.perf_counter(), check.out / f"{part}.json"
    with (check.out / f"{part}.out").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, *words, "--part", part],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        told = ""
        try:
            if process.wait(limit_s):
                told = "failed: " + " ".join((check.out / f"{part}.out").read_text(errors="replace").split()[-30:])
        except subprocess.TimeoutExpired:
            told = f"stopped after {limit_s:.0f} s"
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    values = json.loads(found.read_text()) if found.exists() else {}
    return values | ({"told": told} if told else {}) | {"took": round(time.perf_counter() - begun, 1)}


def _tables(found: Mapping[str, Any]) -> str:
    """The results as Markdown."""
    lines = [f"{found['date']}, {found['device']}, {found['cores']} cores, {found['versions']}", ""]
    loop_s, study_found = found.get("loop", {}).get("seconds"), found.get("study", {})
    if loop_s and "wall" in study_found:
        loop_run, ours = fmean(loop_s), study_found["wall"] / study_found["runs"]
        lines += ["| way | runs | s a run | against the shell loop |", "| --- | --- | --- | --- |"]
        lines += [f"| shell loop of `yolo train` | {len(loop_s)} | {loop_run:.2f} | |"]
        lines += [f"| ours | {study_found['runs']} | {ours:.2f} | {loop_run / ours:.2f} x |", ""]
        lines += [f"Equal controls: {study_found['controls_equal']}", ""]
    if rows := found.get("together", {}).get("seconds_a_run"):
        shown = {f"{n} at a time": rows[n] for n in sorted(rows, key=int)}
        for part, words in (("mps", "8 at a time with CUDA MPS"), ("compile", "1 at a time with `compile=True`")):
            if "seconds_a_run" in found.get(part, {}):
                shown[f"{words}, curves {'equal' if found[part]['equal'] else 'not equal'}"] = found[part][
                    "seconds_a_run"
                ]
        first = rows[min(rows, key=int)]
        lines += ["| | s a run | against one at a time |", "| --- | --- | --- |"]
        lines += [f"| {words} | {seconds:.2f} | {first / seconds:.2f} x |" for words, seconds in shown.items()]
    told = [f"- {part}: {' '.join(map(str, filter(None, (found[part].get('result'), found[part].get('told')))))}"
            f" ({found[part]['took']} s)" for part in PARTS if part in found]  # fmt: skip
    return "\n".join([*lines, "", *told, ""])


def _picture(samples: Sequence[Mapping[str, float]], title: str, file: Path) -> None:
    from yolo_dropout.report.figures.style import INK, MUTED, TEXT_PT, finish, new_figure

    rows = [("runs", "runs"), ("busy", "GPU busy"), ("gb", "GPU memory, GB")]
    rows = [(key, name) for key, name in rows if all(key in sample for sample in samples)]
    figure, axes = new_figure(1.6 * len(rows) + 1.4, rows=len(rows))
    for ax, (key, name) in zip(axes, rows, strict=True):
        ax.step([sample["s"] for sample in samples], [sample[key] for sample in samples], where="post", color=INK)
        ax.set_ylabel(name, color=MUTED, fontsize=TEXT_PT)
        ax.set_ylim(bottom=0)
    axes[-1].set_xlabel("seconds since the command was started", color=MUTED, fontsize=TEXT_PT)
    finish(figure, title, "runs at a time, and what they make of the GPU", [], right_in=0.3)
    figure.subplots_adjust(left=0.1, hspace=0.35)
    figure.savefig(file, dpi=100)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a new or empty folder")
    parser.add_argument("--data", type=Path, help="a detection data YAML; the embedded digits where it is left out")
    parser.add_argument("--device", default="0", help="as device= takes it (default 0)")
    parser.add_argument("--small", action="store_true", help="few epochs of small images, to try the script")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS), help="only these")
    parser.add_argument("--at-once", nargs="+", type=int, default=AT_ONCE, help="runs at a time (default 1 16 4 8 2)")
    parser.add_argument("--limit", type=float, default=IN_ALL_S, help=f"seconds for all parts (default {IN_ALL_S})")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)  # the process of one part
    asked = parser.parse_args()
    out, source = asked.out.resolve(), asked.data or embedded_path("digits-detect/data.yaml")
    check = Check(str(out / "data" / source.name), asked.device, asked.small, out, asked.at_once)
    if asked.part:
        _write(check, asked.part, PARTS[asked.part](check))
        return 0
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        parser.error(f"--out: must be a new or empty folder, got {asked.out}")
    shutil.copytree(source.resolve().parent, out / "data")
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return _whole(check, asked.parts, sys.argv[1:], asked.limit)


def _whole(check: Check, parts: Sequence[str], words: Sequence[str], limit_s: float) -> int:
    import torch

    card = "CPU" if check.device == "cpu" else torch.cuda.get_device_name(int(check.device))
    versions = ", ".join(f"{name} {version(name)}" for name in ("ultralytics", "torch"))
    found: dict[str, Any] = {"date": str(date.today()), "device": card, "cores": cores(), "versions": versions}
    found["machine"], begun = platform.machine(), time.perf_counter()
    for part in parts:
        left = limit_s - (time.perf_counter() - begun)
        if left < 15:
            found[part] = {"told": "left out: no time", "took": 0}
        else:
            found[part] = _run_part(part, check, words, min(LIMITS[part], left))
        print(f"{part}: {json.dumps({k: v for k, v in found[part].items() if k != 'samples'})}", flush=True)
        (check.out / "gpu_check.json").write_text(json.dumps(found, indent=1))
    (check.out / "gpu_check.md").write_text(_tables(found))
    if samples := found.get("study", {}).get("samples"):
        _picture(samples, f"A study of {found['study'].get('runs')} runs on one {card}", check.out / "gpu_share.png")
    print((check.out / "gpu_check.md").read_text())
    failed = [
        part
        for part in parts
        if re.search("failed|stopped", str(found[part].get("told")) + str(found[part].get("result")))
    ]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

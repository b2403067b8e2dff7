"""What planning, resuming, collecting and publishing take as a study grows, on one core.

Run folders are made up, as real runs of 100 epochs leave them. Each step is measured in a process of its own: seconds
of CPU and by the clock, and peak resident memory. `all` is the whole command. `--parent` measures
instead what a sweep's own process takes while its runs train, `--workers` what one training of the embedded set takes.

    python scripts/scale.py [RUNS ...]
    python scripts/scale.py --parent
    python scripts/scale.py --workers
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

from made_up_studies import SITES, inspect, make, results_text, spec_of

from yolo_dropout.executors import Backend, Event, Found, Job, OnEpoch, Outcome, T
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.ultralytics.backend import ULTRALYTICS
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import run_study


def sleep(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Train by sleeping: an epoch every half second."""
    for epoch in range(1, job.spec.epochs + 1):
        time.sleep(0.5)
        on_epoch({"epoch": float(epoch), "val/box_loss": 1.0})
    job.folder.results.write_text(results_text(job.run.seed, job.treatment.dropout.rate))
    return Outcome(SITES, {}, {})


BACKEND = Backend(inspect, sleep)


class Here:
    """An executor that calls in this very process, so that all it takes is measured; it has no runs to train."""

    def call(self, function: Callable[..., T], *arguments: Any, log: Path) -> T:  # noqa: ARG002
        """Call it."""
        return function(*arguments)

    def fit(self, found: Found) -> tuple[int, str | None]:  # noqa: ARG002
        """One at a time."""
        return 1, None

    def run(self, jobs: Iterable[Job], backend: Backend) -> Generator[Event, None, None]:  # noqa: ARG002
        """Train nothing: every run of these studies is finished."""
        yield from ()


def step_resume(path: Path, spec: StudySpec) -> None:
    """The same command again, with nothing to do and nothing published."""
    run_study(spec, path, executor=Here(), backend=BACKEND, publish=lambda _study: None)


def step_publish(path: Path, _spec: StudySpec) -> None:
    """As `yolo-dropout report`: from files to curves, scores and verdict; tables, pictures and report written."""
    from yolo_dropout.report.publish import publish
    from yolo_dropout.study import load_study

    publish(load_study(path))


def step_all(path: Path, spec: StudySpec) -> None:
    """The same command again: planned, resumed, collected, and everything published anew."""
    run_study(spec, path, executor=Here(), backend=BACKEND)


STEPS = {"resume": step_resume, "publish": step_publish, "all": step_all}


def measure(step: str, path: Path, runs: int) -> None:
    """Do one step in this process, on one core, and print what it took."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    clock = time.perf_counter()
    STEPS[step](path, spec_of(runs))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = {"cpu": used.ru_utime + used.ru_stime, "wall": time.perf_counter() - clock}
    print(json.dumps(seconds | {"mb": used.ru_maxrss / 1000}))


def table(counts: Iterable[int]) -> None:
    """Print a row per study and step."""
    print("| runs | step | CPU s | wall s | peak MB |\n|---|---|---|---|---|", flush=True)
    for runs in counts:
        with tempfile.TemporaryDirectory() as place:
            make(StudyFolder(Path(place)), spec_of(runs))
            for step in STEPS:
                words = [sys.executable, __file__, "--step", step, place, str(runs)]
                told = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
                took = json.loads(told)
                print(f"| {runs} | {step} | {took['cpu']:.1f} | {took['wall']:.1f} | {took['mb']:.0f} |", flush=True)


def watch_parent(seconds: float = 12.0) -> None:
    """Run a sweep whose trainings sleep, and print memory and CPU of its own process while they do."""
    import psutil

    with tempfile.TemporaryDirectory() as place:
        sweep = psutil.Popen([sys.executable, __file__, "--sweep", place])
        while not list(Path(place).glob("runs/*/train.log")):
            time.sleep(0.2)
        time.sleep(2.0)
        before, start = sum(sweep.cpu_times()[:2]), time.perf_counter()
        time.sleep(seconds)
        share = (sum(sweep.cpu_times()[:2]) - before) / (time.perf_counter() - start)
        memory = sweep.memory_info().rss / 1e6
        torch = any("libtorch" in mapped.path for mapped in sweep.memory_maps())
        sweep.terminate()
        sweep.wait()
    print(f"the sweep's own process: {memory:.0f} MB, {100 * share:.2f} % of a core, torch imported: {torch}")


def watch_workers() -> None:
    """Train the embedded default for two epochs, two runs at a time, and print the peak memory of each."""
    import psutil

    from yolo_dropout.folder.study_file import read_config
    from yolo_dropout.spec.embedded import embedded_path
    from yolo_dropout.spec.runs import plan

    values = read_config(embedded_path("digits-detect/study.yaml"))
    spec = StudySpec.from_dict(values | {"train": values["train"] | {"epochs": 2}})
    with tempfile.TemporaryDirectory() as place:
        jobs = [Job(run, spec, Path(place) / run.name) for run in plan(spec)[:2]]
        peak = dict[str, dict[int, int]](rss={}, uss={})
        for event in LocalExecutor(2).run(jobs, ULTRALYTICS):
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    used = process.memory_full_info()
                    for name, largest in peak.items():
                        largest[process.pid] = max(largest.get(process.pid, 0), getattr(used, name))
            print(type(event).__name__, {name: sorted(by.values())[-2:] for name, by in peak.items()}, flush=True)


def main(words: list[str]) -> None:
    if words[:1] == ["--step"]:
        measure(words[1], Path(words[2]), int(words[3]))
    elif words[:1] == ["--parent"]:
        watch_parent()
    elif words[:1] == ["--sweep"]:
        run_study(spec_of(500), words[1], executor=LocalExecutor(2), backend=BACKEND)
    elif words[:1] == ["--workers"]:
        watch_workers()
    else:
        table([int(word) for word in words] or [500, 1000, 5000])


if __name__ == "__main__":
    main(sys.argv[1:])

"""The ways to train a grid of dropout rates and seeds that `benchmark.py` times, each a function of the same work."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from timed_sweep import marks_of

from yolo_dropout.spec.runs import Run, plan
from yolo_dropout.spec.study_spec import StudySpec


@dataclass(frozen=True)
class Workload:
    """What is trained, whichever way.

    Attributes:
        name: In words, for the table.
        spec: Model, data, rates, seeds and training arguments.
    """

    name: str
    spec: StudySpec

    @property
    def runs(self) -> tuple[Run, ...]:
        """One training per rate and seed, seed-major."""
        return plan(self.spec)

    def arguments(self, run: Run, out: Path) -> dict[str, Any]:
        """What `YOLO.train` is given for a run."""
        spec = self.spec
        given = {"data": spec.data, "dropout": run.rate, "seed": run.seed}
        return {**given, **spec.train, "project": str(out), "name": run.name, "exist_ok": True}


def curves(folder: Path) -> pd.DataFrame:
    """What a run has written by epoch, without its times."""
    return pd.read_csv(folder / "results.csv").drop(columns="time")


def shell_loop(work: Workload, out: Path, runs: Iterable[Run] | None = None) -> None:
    """`yolo train … dropout=$p seed=$s`, one command after the other."""
    # What the command `yolo` does, wherever it was installed to.
    yolo = [sys.executable, "-c", "from ultralytics.cfg import entrypoint; entrypoint()"]
    for run in work.runs if runs is None else runs:
        words = [f"{name}={value}" for name, value in work.arguments(run, out).items()]
        subprocess.run([*yolo, "train", f"model={work.spec.model}", *words], check=True, capture_output=True)


def python_loop(work: Workload, out: Path) -> None:
    """A script that loops over `YOLO(model).train(…)`."""
    _in_fresh_process(_python_loop, work, out)


def ray_tune(work: Workload, out: Path) -> None:
    """Ultralytics' own bridge to Ray Tune with a grid, without early stopping, plots and checkpoints."""
    _in_fresh_process(_ray_tune, work, out)


def ours_serial(work: Workload, out: Path) -> None:
    """`sweep.py` with one run at a time."""
    _sweep(work, out, "--jobs", "1")


def ours(work: Workload, out: Path) -> None:
    """`sweep.py` as it comes."""
    _sweep(work, out)


WAYS: Mapping[str, Callable[[Workload, Path], None]] = {
    "shell loop of yolo train": shell_loop,
    "loop of YOLO().train()": python_loop,
    "YOLO().tune(use_ray=True)": ray_tune,
    "ours, one job": ours_serial,
    "ours": ours,
}


def _sweep(work: Workload, out: Path, *options: str) -> None:
    config = out.with_suffix(".yaml")
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(yaml.safe_dump(work.spec.as_dict()))
    script = Path(__file__).with_name("timed_sweep.py")
    command = [sys.executable, script, "--config", config, "--out", out, *options]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    with marks_of(out).open("a") as file:
        file.write(f"exit {time.time():.3f}\n")


def _in_fresh_process(target: Callable[[Workload, Path], None], work: Workload, out: Path) -> None:
    out.mkdir(parents=True)
    process = multiprocessing.get_context("spawn").Process(target=_quietly, args=(target, work, out))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{target.__name__.strip('_')} failed:\n{(out / 'log').read_text()[-2000:]}")


def _quietly(target: Callable[[Workload, Path], None], work: Workload, out: Path) -> None:
    from yolo_dropout.executors.local.processes import redirect_output

    redirect_output(out / "log")
    target(work, out)


def _python_loop(work: Workload, out: Path) -> None:
    from ultralytics import YOLO

    for run in work.runs:
        YOLO(work.spec.model).train(**work.arguments(run, out))


def _ray_tune(work: Workload, out: Path) -> None:
    from ray import tune
    from ultralytics import YOLO

    spec = work.spec
    YOLO(spec.model).tune(
        use_ray=True,
        search_alg="random",
        iterations=1,
        grace_period=spec.epochs,  # early stopping would be other work
        space={"dropout": tune.grid_search(list(spec.rates)), "seed": tune.grid_search(list(spec.seeds))},
        **{"data": spec.data, **spec.train, "project": str(out), "plots": False, "save": False},
    )

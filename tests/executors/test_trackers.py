"""A study in MLflow and TensorBoard, through Ultralytics' own callbacks: found by rate and seed, numbers unchanged."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fakes import SPEC
from tiny_data import make_data
from tracker_settings import write_settings

from yolo_dropout.executors import Job
from yolo_dropout.executors.ultralytics.trackers import registering_in_turn, tracker_environment
from yolo_dropout.spec.runs import Run

JOB = Job(Run(3, "0.1"), SPEC, Path("/runs/dropout/coco8/runs/p0.10-s3"))


def test_the_study_is_the_experiment_and_the_group_and_a_run_tells_rate_and_seed():
    assert tracker_environment(JOB, {}) == {
        "MLFLOW_EXPERIMENT_NAME": "coco8",
        "MLFLOW_RUN": "p0.10-s3",
        "MLFLOW_RUN_CONTEXT": json.dumps({"study": "coco8", "rate": "0.1", "seed": "3"}),
        "WANDB_RUN_GROUP": "coco8",
        "WANDB_TAGS": "rate=0.1,seed=3",
    }


def test_what_the_user_has_set_wins_except_the_name_of_a_run():
    given = {
        "MLFLOW_EXPERIMENT_NAME": "mine",
        "MLFLOW_RUN": "the same for all",
        "MLFLOW_RUN_CONTEXT": '{"team": "a"}',
        "WANDB_RUN_GROUP": "ours",
        "WANDB_TAGS": "nightly",
    }
    assert tracker_environment(JOB, given) == given | {
        "MLFLOW_RUN": "p0.10-s3",
        "WANDB_TAGS": "nightly,rate=0.1,seed=3",
    }


def sweep(out: Path, data: Path, config: Path, **trackers: bool) -> None:
    """A study of two runs, in a process where Ultralytics does not see pytest and so lets its trackers work."""
    hidden = ("PYTEST", "GITHUB_", "MLFLOW", "WANDB")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)} | {
        "YOLO_CONFIG_DIR": str(write_settings(config, **trackers)),
        "MLFLOW_TRACKING_URI": (out.parent / "mlruns").as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",
    }
    words = ["model=yolo26n-cls.yaml", f"data={data}", "epochs=2", "imgsz=32", "batch=2"]
    options = ["--rates", "0", "0.2", "--seeds", "1", "--jobs", "2", "--out", str(out)]
    script = Path(__file__).parents[2] / "scripts" / "sweep.py"
    subprocess.run([sys.executable, str(script), *words, *options], env=environment, check=True, cwd=out.parent)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies of the same runs: `tracked` with MLflow and TensorBoard, `plain` with neither."""
    pytest.importorskip("mlflow", reason="needs mlflow-skinny")
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    root = tmp_path_factory.mktemp("trackers")
    data = make_data("classify", root / "data")
    sweep(root / "tracked", data, root / "config", raytune=True, mlflow=True, tensorboard=True)
    sweep(root / "plain", data, root / "config", raytune=True)
    return root


@pytest.mark.train
def test_mlflow_holds_one_experiment_per_study_and_a_tagged_run_per_training(studies: Path, monkeypatch: Any):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    client = MlflowClient((studies / "mlruns").as_uri())
    assert client.get_experiment_by_name("plain") is None
    runs = client.search_runs([client.get_experiment_by_name("tracked").experiment_id])
    found = {run.info.run_name: run for run in runs}
    assert sorted(found) == ["p0.00-s0", "p0.20-s0"]
    for name, rate in (("p0.00-s0", "0"), ("p0.20-s0", "0.2")):
        assert {key: found[name].data.tags[key] for key in ("study", "rate", "seed")} == {
            "study": "tracked",
            "rate": rate,
            "seed": "0",
        }
        assert found[name].info.status == "FINISHED"
        assert float(found[name].data.params["dropout"]) == float(rate)
        last = rows(studies / "tracked", name)[-1]
        assert found[name].data.metrics["val/loss"] == pytest.approx(float(last["val/loss"]), abs=1e-4)


@pytest.mark.train
def test_tensorboard_events_lie_in_each_runs_folder(studies: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for name in ("p0.00-s0", "p0.20-s0"):
        events = EventAccumulator(str(studies / "tracked" / "runs" / name)).Reload()
        values = [event.value for event in events.Scalars("val/loss")]
        expected = [float(row["val/loss"]) for row in rows(studies / "tracked", name)]
        assert values == pytest.approx(expected, abs=1e-4)


@pytest.mark.train
def test_trackers_are_off_unless_the_user_has_them_on_and_change_no_number(studies: Path):
    assert not list((studies / "plain").rglob("events.out.tfevents*"))
    for name in ("p0.00-s0", "p0.20-s0"):
        assert rows(studies / "tracked", name) == rows(studies / "plain", name)


def rows(study: Path, name: str) -> list[dict[str, str]]:
    with (study / "runs" / name / "results.csv").open() as stream:
        return [{key: value for key, value in row.items() if key != "time"} for row in csv.DictReader(stream)]


def test_runs_register_with_mlflow_one_after_the_other(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("mlflow", reason="needs mlflow-skinny")
    from ultralytics.utils import SETTINGS
    from ultralytics.utils.callbacks.mlflow import callbacks

    at_once, most = [0], [0]

    def register(_trainer: object) -> None:
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.2)
        at_once[0] -= 1

    monkeypatch.setitem(SETTINGS, "mlflow", True)
    monkeypatch.setitem(callbacks, "on_pretrain_routine_end", register)
    with registering_in_turn(), ThreadPoolExecutor() as pool:
        list(pool.map(callbacks["on_pretrain_routine_end"], range(3)))
    assert (most, callbacks["on_pretrain_routine_end"]) == ([1], register)


def test_a_tracker_that_is_off_is_not_imported(monkeypatch: pytest.MonkeyPatch):
    from ultralytics.utils import SETTINGS

    monkeypatch.setitem(SETTINGS, "mlflow", False)
    monkeypatch.setitem(sys.modules, "ultralytics.utils.callbacks.mlflow", None)  # to import it would fail
    with registering_in_turn():
        pass

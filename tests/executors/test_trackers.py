"""A study in MLflow and TensorBoard, through Ultralytics' own callbacks: found by rate and seed, numbers unchanged."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fakes
import numpy as np
import pytest
from fakes import SPEC
from made_studies import Watcher, run
from tiny_data import CLS, make_data
from tracker_settings import write_settings

from yolo_dropout.decision import decide
from yolo_dropout.errors import WorkerError
from yolo_dropout.executors import Job
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.ultralytics.trackers import registering_in_turn, tell_verdict, tracker_environment
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.spec.runs import Run
from yolo_dropout.study import load_study
from yolo_dropout.training import train_lean

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
    words = [f"model={CLS}", f"data={data}", "epochs=2", "imgsz=32", "batch=2"]
    options = ["--rates", "0", "0.2", "--seeds", "1", "--jobs", "2", "--out", str(out)]
    script = Path(__file__).parents[2] / "scripts" / "sweep.py"
    subprocess.run([sys.executable, str(script), *words, *options], env=environment, check=True, cwd=out.parent)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study, `tracked`, that MLflow and TensorBoard were told of."""
    pytest.importorskip("mlflow", reason="needs mlflow-skinny")
    pytest.importorskip("tensorboard", reason="needs tensorboard")
    root = tmp_path_factory.mktemp("trackers")
    data = make_data("classify", root / "data")
    sweep(root / "tracked", data, root / "config", raytune=True, mlflow=True, tensorboard=True)
    return root


@pytest.mark.train
def test_mlflow_holds_one_experiment_per_study_and_a_tagged_run_per_training(studies: Path, monkeypatch: Any):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient

    client = MlflowClient((studies / "mlruns").as_uri())
    runs = client.search_runs([client.get_experiment_by_name("tracked").experiment_id])
    found = {run.info.run_name: run for run in runs}
    assert sorted(found) == ["p0.00-s0", "p0.20-s0", "verdict"]
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
def test_the_verdict_is_one_more_run_in_mlflow_and_tensorboard_and_the_same_again(studies: Path, monkeypatch: Any):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (studies / "mlruns").as_uri())
    from mlflow import MlflowClient
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    study, client = load_study(studies / "tracked"), MlflowClient((studies / "mlruns").as_uri())
    (comparison,), place = study.verdict.comparisons, study.folder.events
    before = files_beside(place)
    told_runs = [client.get_experiment_by_name("tracked").experiment_id], "attributes.run_name = 'verdict'"
    (first,) = client.search_runs(*told_runs)
    events = list(place.iterdir())
    assert tell_verdict(("mlflow", "tensorboard"), study.folder, study.verdict, "val/loss@min") == ()
    (told,) = client.search_runs(*told_runs)
    assert told.info.run_id == first.info.run_id and told.info.status == "FINISHED"
    assert {name: told.data.tags[name] for name in ("study", "outcome", "chosen", "score")} == {
        "study": "tracked", "outcome": study.verdict.outcome, "chosen": "0.0", "score": "val/loss@min"
    }  # fmt: skip
    assert told.data.metrics["p0.20/difference"] == pytest.approx(comparison.difference)
    assert np.isnan(told.data.metrics["p0.20/p"]) and comparison.p is None
    assert {item.path for item in client.list_artifacts(told.info.run_id)} == {"report.html", "verdict.json"}
    after = {
        path: path.read_bytes() for path in study.folder.path.rglob("*") if path.is_file() and place != path.parent
    }
    assert after == before and load_study(studies / "tracked").notes == study.notes
    (again,) = place.iterdir()
    assert len(events) == 1 and again not in events
    shown = EventAccumulator(str(place)).Reload()
    assert shown.Scalars("p0.20/difference")[0].value == pytest.approx(comparison.difference)
    assert study.verdict.reason.encode() in shown.Tensors("verdict/text_summary")[0].tensor_proto.string_val[0]


def files_beside(place: Path) -> dict[Path, bytes]:
    """The content of all that a study's folder holds, without one place in it."""
    files = (path for path in place.parent.rglob("*") if path.is_file() and place not in path.parents)
    return {path: path.read_bytes() for path in files}


class Summary:
    """What this project calls of W&B's run, which it leaves as `wandb.init` leaves one."""

    def __init__(self) -> None:
        self.summary, self.files, self.artifacts = dict[str, Any](), list[str](), list[Any]()

    def __call__(self, *_names: str) -> Summary:
        return self

    def __enter__(self) -> Summary:
        return self

    def __exit__(self, *_error: object) -> None:
        self.add_file = self.log_artifact = None  # type: ignore[assignment, method-assign]

    def add_file(self, path: str) -> None:
        self.files.append(path)

    def log_artifact(self, artifact: Any) -> None:
        self.artifacts.append(artifact)


def test_wandb_is_told_the_verdict_in_the_studys_group_and_what_goes_wrong_there_is_one_line(tmp_path, monkeypatch):
    scores = np.array([[3.0, 2.0, 3.1], [3.1, 2.0, 3.0], [3.2, 2.2, 3.2]])
    verdict = decide(scores, ("0.0", "weight decay x10", "neck (0.1)"))
    asked, run, study = list[dict[str, Any]](), Summary(), StudyFolder(tmp_path)
    study.report.touch()
    wandb = SimpleNamespace(init=lambda **given: asked.append(given) or run, Artifact=run)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setenv("WANDB_RUN_GROUP", "ours")
    assert tell_verdict(("wandb",), study, verdict, "val/loss@min") == ()
    (told,) = asked
    assert tell_verdict(("wandb",), study, verdict, "val/loss@min") != () and asked == [told, told]
    assert {name: told[name] for name in ("project", "group", "job_type", "name", "resume", "dir")} == {
        "project": "Ultralytics", "group": "ours", "job_type": "verdict", "name": "verdict", "resume": "allow",
        "dir": str(tmp_path),
    }  # fmt: skip
    assert run.summary["outcome"] == "use" and run.summary["chosen"] == "weight decay x10"
    assert run.summary["weight-decay-x10/low"] == verdict.comparisons[0].low
    assert run.summary["neck-0-1/p"] == verdict.comparisons[1].p
    assert run.files == [str(study.report)] and run.artifacts == [run]
    monkeypatch.setattr(wandb, "init", None)
    (line,) = tell_verdict(("wandb",), study, verdict, "val/loss@min")
    assert line.startswith("wandb: was not told the verdict (TypeError: ") and line.count("\n") == 0
    assert line.endswith("; the same command tries again, `yolo settings wandb=False` turns it off")


def found_with_a_tracker(spec: Any) -> Any:
    return replace(fakes.inspect(spec), trackers=("wandb",))


class Unreachable(LocalExecutor):
    """Has no process to spare for trackers, and counts how often one was asked for."""

    asked = 0

    def call(self, function: Any, *arguments: Any, log: Path) -> Any:
        if function is not tell_verdict:
            return super().call(function, *arguments, log=log)
        self.asked += 1
        raise WorkerError("the process was killed; see /dev/null")


def test_a_study_asks_for_no_process_without_a_tracker_and_stands_without_its_answer(tmp_path):
    executor, backend = Unreachable(jobs=2), replace(fakes.FAKE, inspect=found_with_a_tracker)
    study, _ = run(tmp_path, SPEC, executor=executor)
    assert executor.asked == 0
    again, trained = run(tmp_path, SPEC, executor=executor, view=(view := Watcher()), backend=backend)
    assert executor.asked == 1 and trained == [] and again.verdict == study.verdict
    assert view.notes == ["wandb: may lack the verdict (the process was killed); the same command tries again"]


@pytest.mark.train
def test_tensorboard_events_lie_in_each_runs_folder(studies: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for name in ("p0.00-s0", "p0.20-s0"):
        events = EventAccumulator(str(studies / "tracked" / "runs" / name)).Reload()
        values = [event.value for event in events.Scalars("val/loss")]
        expected = [float(row["val/loss"]) for row in rows(studies / "tracked", name)]
        assert values == pytest.approx(expected, abs=1e-4)


@pytest.mark.train
def test_trackers_change_no_number(studies: Path, tmp_path: Path):
    small = {"epochs": 2, "imgsz": 32, "batch": 2, "seed": 0, "plots": False, "data": str(studies / "data")}
    for name, rate in (("p0.00-s0", 0.0), ("p0.20-s0", 0.2)):
        save_dir = tmp_path / "runs" / name
        train_lean(CLS, dropout=rate, save_dir=str(save_dir), **small)
        assert not list(save_dir.rglob("events.out.tfevents*"))
        assert rows(studies / "tracked", name) == rows(tmp_path, name)


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

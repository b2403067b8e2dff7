"""Real trainings on Ray: the numbers of local ones, from data that travelled; a driver that dies; commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from tiny_data import make_data

pytest.importorskip("ray", reason="Ray is not installed")

from ray_cluster import small_cluster
from survival import tables
from waiting import wait_until

from yolo_dropout import Dropout, Treatment
from yolo_dropout.executors import Started, View
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.ray import RayExecutor
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import read_records
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import run_study

STARTER = Path(__file__).parents[2] / "datasets" / "starter.pt"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with small_cluster(tmp_path_factory.mktemp("nodes"), nodes=2) as cluster:
        yield cluster


def curves(path: Path) -> str:
    """A results.csv without its times."""
    return pd.read_csv(path, dtype=str).drop(columns="time").to_csv(index=False)


@pytest.mark.train
def test_ray_trains_the_same_numbers_without_reading_anything_in_place(cluster, tmp_path):
    data = make_data("detect", tmp_path / "data")
    model, start = tmp_path / "starter.pt", tmp_path / "start.pt"
    for path in (model, start):
        path.write_bytes(STARTER.read_bytes())
    both = Treatment("both", Dropout(0.5), {"pretrained": str(start)})
    train = {"epochs": 2, "imgsz": 64, "batch": 2, "nbs": 2, "device": "cpu"}
    spec = StudySpec(model=str(model), data=str(data), rates=(0,), seeds=1, train=train, treatments=(both,))
    run_study(spec, tmp_path / "local", executor=LocalExecutor(2), publish=publish_tables)

    class TakesAway(View):
        def event(self, event):
            if isinstance(event, Started) and model.exists():
                model.rename(tmp_path / "gone.pt")
                start.unlink()
                data.parent.rename(tmp_path / "gone")

    study = run_study(spec, tmp_path / "ray", executor=RayExecutor(), view=TakesAway(), publish=publish_tables)
    assert not data.exists()
    assert [record.status for record in study.records] == ["finished", "finished"], study.records
    there = Path(study.records[1].proof["train"]["pretrained"])  # as its trainer had it
    assert there.name == "start.pt" and there.is_relative_to(cluster.root)
    for name in ("p0.00-s0", "both-s0"):
        mine, locals_own = (tmp_path / where / "runs" / name for where in ("ray", "local"))
        assert curves(mine / "results.csv") == curves(locals_own / "results.csv")
        assert {path.relative_to(mine) for path in mine.rglob("*")} == {
            path.relative_to(locals_own) for path in locals_own.rglob("*")
        }
    assert tables(tmp_path / "ray") == tables(tmp_path / "local")
    assert list(cluster.root.glob("cache-*/*/labels/train.cache")), "the label cache was not warmed on a node"


def fake_sweep(gate: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    gate.mkdir(exist_ok=True)
    program = str(Path(__file__).parents[1] / "support" / "fake_ray.py")
    study = ["model=m", "data=d", "epochs=3", "--rates", "0", "0.2", "--seeds", "2", "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, program, str(gate), *study, "--executor", "ray", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_a_driver_that_is_killed_leaves_nothing_running_and_the_same_command_goes_on(
    cluster, tmp_path, record_property
):
    import ray

    gate, out = tmp_path / "gate", tmp_path / "study"
    first = fake_sweep(gate, out, "--ray-address", cluster.address)
    wait_until(lambda: len(list(gate.glob("p*"))) >= 2, first)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    wait_until(lambda: ray.available_resources().get("CPU") == 2)
    (gate / "go").touch()
    second = fake_sweep(gate, out, "--ray-address", cluster.address)
    told, _ = second.communicate(timeout=120)
    assert second.returncode == 0, told
    assert "4 of 4 runs to do" in told
    assert len(read_records(StudyFolder(out))[0]) == 4
    record_property("fault", ("driver of a Ray cluster killed", 1, "its tasks end, the same command goes on"))


def test_ctrl_c_twice_on_ray_stops_now(cluster, tmp_path):
    import ray

    gate = tmp_path / "gate"
    sweep = fake_sweep(gate, tmp_path / "study", "--ray-address", cluster.address)
    wait_until(lambda: len(list(gate.glob("p*"))) >= 2, sweep)
    for _ in range(2):
        os.killpg(sweep.pid, signal.SIGINT)
        time.sleep(1)
    told, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, told
    assert told.endswith("yolo-dropout: interrupted; the same command goes on from here\n")
    assert "Traceback" not in told
    wait_until(lambda: ray.available_resources().get("CPU") == 2)

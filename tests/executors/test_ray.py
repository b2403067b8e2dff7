"""Ray with real nodes on one machine: what dies starts over, nothing is lost or doubled, and numbers are local ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import fakes
import pytest
from fakes import SPEC, jobs
from survival import alive, tables
from tiny_data import make_data

pytest.importorskip("ray", reason="Ray is not installed")

import fake_ray
from fake_ray import gated
from node_trainers import die, fold_data, refuse, shipped, train_and_tell_the_data, train_on_what_was_shipped
from ray_cluster import small_cluster
from waiting import wait_until

from yolo_dropout import Dropout, Treatment
from yolo_dropout.errors import ClusterError, InputError, SpecError
from yolo_dropout.executors import Backend, Ended, EpochDone, Started, View
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.ray import RayExecutor
from yolo_dropout.executors.ray.driver import Driver
from yolo_dropout.executors.ray.shipping import ShippedFiles
from yolo_dropout.executors.ray.slots import SlotRequests, installed_versions
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.folder.records import read_record, read_records
from yolo_dropout.report.publish import publish_tables
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.study import run_study

pytestmark = pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc to see whether a process lives")
STARTER = Path(__file__).parents[2] / "datasets" / "starter.pt"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with small_cluster(tmp_path_factory.mktemp("nodes"), nodes=2) as cluster:
        yield cluster


def files(study):
    """Content by name of every file of the runs, records aside: those hold times."""
    return {
        path.relative_to(study): path.read_bytes()
        for path in study.rglob("*")
        if path.is_file() and path.suffix != ".json"
    }


def test_ray_leaves_the_files_and_tells_the_epochs_that_local_does(cluster, tmp_path):
    events = list(RayExecutor().run(jobs(tmp_path / "ray"), fakes.FAKE))
    list(LocalExecutor().run(jobs(tmp_path / "local"), fakes.FAKE))
    assert files(tmp_path / "ray") == files(tmp_path / "local")
    for job in jobs(tmp_path / "ray"):
        mine = [event for event in events if event.run == job.run]
        assert isinstance(mine[0], Started)
        assert [event.values["epoch"] for event in mine[1:-1] if isinstance(event, EpochDone)] == [1, 2, 3]
        assert mine[-1] == Ended(job.run, read_record(job.folder))
        assert mine[-1].record.finished


class Gate:
    """Trainings that wait, and say where they are."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.backend = gated(folder)

    def open(self) -> None:
        (self.folder / "go").touch()

    @property
    def pids(self) -> list[int]:
        return [int(path.name.rpartition("-")[2]) for path in sorted(self.folder.glob("p*"))]

    def started(self, events, number):
        """Take events until so many trainings have come to the gate."""
        taken = []
        while len([event for event in taken if isinstance(event, Started)]) < number:
            taken.append(next(events))
        wait_until(lambda: len(self.pids) >= number)
        return taken


@pytest.fixture
def gate(tmp_path):
    return Gate(tmp_path / "gate")


def node_of(pid):
    """The raylet above a training: its number tells which node it runs on."""
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return next(word for word in environment if word.startswith(b"RAY_RAYLET_PID="))


@pytest.mark.soak
def test_a_node_that_comes_is_used_and_when_it_dies_while_it_trains_no_run_is_lost(
    cluster, gate, tmp_path, record_property
):
    events = RayExecutor().run(jobs(tmp_path / "study"), gate.backend)
    taken = gate.started(events, 2)
    node = cluster.add(cpus=1)
    taken.append(next(events))
    assert isinstance(taken[-1], Started)
    wait_until(lambda: len(gate.pids) == 3)
    doomed = [pid for pid in gate.pids if node_of(pid) == f"RAY_RAYLET_PID={cluster.raylet(node)}".encode()]
    assert len(doomed) == 1
    cluster.kill(node)
    wait_until(lambda: not alive(doomed[0]))
    gate.open()
    records = fakes.ends([*taken, *events])
    assert len(records) == 4
    assert all(record.finished for record in records.values())
    over = [record.note for record in records.values() if record.note]
    assert over == ["started over once, because its node or process was lost"]
    record_property("fault", ("node of a Ray cluster killed while it trains", 1, "its run starts over elsewhere"))


def test_a_slot_that_is_killed_starts_its_run_over(cluster, gate, tmp_path):
    events = RayExecutor(slots=1).run(jobs(tmp_path / "study")[:1], gate.backend)
    taken = gate.started(events, 1)
    os.kill(parent_of(gate.pids[0]), signal.SIGKILL)
    gate.open()
    (record,) = fakes.ends([*taken, *events]).values()
    assert record.finished
    assert record.note == "started over once, because its node or process was lost"


def parent_of(pid):
    """The slot that a training belongs to: the process above its fork server."""
    import psutil

    return psutil.Process(pid).parent().parent().pid


def test_a_training_that_is_killed_is_a_failed_run_as_it_is_locally(cluster, tmp_path):
    records = fakes.ends(RayExecutor(slots=1).run(jobs(tmp_path / "study")[:1], Backend(fakes.inspect, die)))
    assert records["p0.00-s0"].error == "the process was killed (SIGKILL), perhaps for want of memory; try fewer --jobs"
    assert "train.log" in {path.name for path in (tmp_path / "study" / "runs" / "p0.00-s0").iterdir()}


@pytest.mark.soak
def test_a_run_that_takes_too_long_is_stopped(cluster, gate, tmp_path):
    records = fakes.ends(RayExecutor(slots=1, run_timeout_s=1.0).run(jobs(tmp_path / "study")[:1], gate.backend))
    assert records["p0.00-s0"].error == "took longer than the run timeout of 1 s"
    wait_until(lambda: not any(alive(pid) for pid in gate.pids))


def test_closing_the_events_leaves_no_training_and_frees_the_cluster(cluster, gate, tmp_path):
    import ray

    events = RayExecutor().run(jobs(tmp_path / "study"), gate.backend)
    gate.started(events, 2)
    events.close()
    wait_until(lambda: not any(alive(pid) for pid in gate.pids))
    wait_until(lambda: ray.available_resources().get("CPU") == 2)
    assert not (tmp_path / "study" / "runs").exists()


@pytest.mark.soak
def test_jobs_are_taken_only_when_a_slot_is_free_and_runs_queue(cluster, gate, tmp_path):
    taken = []

    def one_by_one():
        for job in jobs(tmp_path / "study", replace(SPEC, seeds=4)):
            taken.append(job.run.name)
            yield job

    events = RayExecutor().run(one_by_one(), gate.backend)
    gate.started(events, 2)
    assert len(taken) == 2
    gate.open()
    assert len(fakes.ends(events)) == 8


def test_a_cluster_without_a_node_that_is_large_enough_is_told(cluster, tmp_path):
    executor = RayExecutor(cpus_per_run=64, resources={"big_disk": 1}, patience_s=1)
    with pytest.raises(ClusterError, match=r"^cluster: a run needs a node with 64 CPU, 1 big_disk, and there is none"):
        list(executor.run(jobs(tmp_path), fakes.FAKE))


def test_a_node_that_is_lost_late_is_waited_for_as_long_as_one_that_never_was(monkeypatch):
    nodes, now = [{"Alive": True, "Resources": {"CPU": 2}}], [0.0]
    slot = SimpleNamespace(versions=SimpleNamespace(remote=object))
    told = {"nodes": lambda: nodes, "remote": lambda **_: lambda _: SimpleNamespace(remote=lambda *_: slot)}
    told |= dict.fromkeys(("available_resources", "cluster_resources"), lambda: {"CPU": 2})
    monkeypatch.setattr("yolo_dropout.executors.ray.slots.ray", SimpleNamespace(**told))
    monkeypatch.setattr("yolo_dropout.executors.ray.slots.time", SimpleNamespace(monotonic=lambda: now[0]))
    requests = SlotRequests(RayExecutor(slots=1, patience_s=60))
    requests.ask_for_more(0)
    requests.pending.clear()  # it has come
    now[0] = 3600.0
    nodes[0]["Alive"] = False
    for seconds in (0, 59):
        now[0] += seconds
        requests.ask_for_more(0)
    now[0] += 2
    with pytest.raises(ClusterError, match="there is none"):
        requests.ask_for_more(0)


def test_a_node_that_cannot_say_what_it_has_is_told(cluster):
    import ray

    @ray.remote(num_cpus=0)
    def versions():
        raise ModuleNotFoundError("No module named 'torch'")

    requests = SlotRequests(RayExecutor())
    with pytest.raises(ClusterError, match=r"^cluster: slots cannot start on its nodes: .*No module named 'torch'"):
        for _ in range(5):
            ref = versions.remote()
            requests.pending[ref] = "slot"
            assert requests.take(ref) is None


def test_a_run_that_broke_off_cannot_go_on_and_says_so(cluster, tmp_path):
    job = replace(jobs(tmp_path)[0], continue_broken=True)
    (job.path / "weights").mkdir(parents=True)
    (job.path / "weights" / "last.pt").touch()
    with pytest.raises(SpecError, match=r"^continue-broken: p0\.00-s0 cannot go on from last\.pt on Ray"):
        list(RayExecutor(slots=1).run([job], fakes.FAKE))


def test_inputs_travel_once_per_node_and_are_not_read_in_place(cluster, tmp_path):
    original = tmp_path / "original"
    original.mkdir()
    (original / "set.txt").write_text("images")
    backend = Backend(fakes.inspect, train_on_what_was_shipped, inputs=partial(shipped, root=original))
    records = {}
    with pytest.raises(FileNotFoundError):
        (original / "elsewhere").read_text()
    for event in RayExecutor().run(jobs(tmp_path / "study"), backend):
        if isinstance(event, Started) and original.exists():
            original.rename(tmp_path / "moved")
        records |= fakes.ends([event])
    assert [record.error for record in records.values()] == [None] * 4
    places = {(job.path / "place").read_text() for job in jobs(tmp_path / "study")}
    assert all(Path(place).is_relative_to(cluster.root) for place in places)
    assert len(places) == len({Path(place).parents[1] for place in places})


@pytest.mark.soak
def test_slots_of_one_node_use_what_was_shipped_at_the_same_time(cluster, gate, tmp_path):
    (tmp_path / "set.txt").write_text("images")
    node = cluster.add(cpus=2)
    backend = replace(gate.backend, inputs=partial(shipped, root=tmp_path))
    events = RayExecutor().run(jobs(tmp_path / "study"), backend)
    try:
        taken = gate.started(events, 4)
        gate.open()
        assert len(fakes.ends([*taken, *events])) == 4
    finally:
        events.close()
        cluster.kill(node)


def test_more_than_the_limit_is_not_shipped(cluster, tmp_path):
    (tmp_path / "set.txt").write_text("x" * 2000)
    backend = Backend(fakes.inspect, fakes.train, inputs=partial(shipped, root=tmp_path))
    with pytest.raises(InputError, match=r"^data: at most 1e-06 GB are shipped, got 2.01e-06 GB; use --data-in-place"):
        list(RayExecutor(slots=1, ship_limit_gb=1e-6).run(jobs(tmp_path / "study"), backend))
    in_place = RayExecutor(slots=1, ship_limit_gb=1e-6, data_in_place=True)
    assert fakes.ends(in_place.run(jobs(tmp_path / "study")[:1], backend))


@pytest.mark.parametrize("in_place", [pytest.param(False, marks=pytest.mark.soak), True])
def test_each_run_of_a_cross_validation_gets_the_data_of_its_fold(cluster, tmp_path, in_place):
    study = tmp_path / "study"
    for fold in (0, 1):
        (study / "folds" / f"f{fold}").mkdir(parents=True)
        (study / "folds" / f"f{fold}" / "data.yaml").write_text(f"fold {fold}")
    backend = Backend(fakes.inspect, train_and_tell_the_data, inputs=fold_data)
    spec = replace(SPEC, folds=2, seeds=1)
    records = fakes.ends(RayExecutor(data_in_place=in_place).run(jobs(study, spec), backend))
    assert [(record.fold, record.error) for record in records.values()].count((0, None)) == 2
    assert len(records) == 4
    for job in jobs(study, spec):
        assert (job.path / "data").read_text() == f"fold {job.run.fold}"


@pytest.mark.soak
def test_a_run_whose_inputs_are_lost_for_good_fails_after_some_tries(cluster, tmp_path):
    import ray

    class Holder:  # in here it travels by value: the head, where Ray may put it, cannot import a test
        def hold(self):
            return [ray.put(b"archive")]

    holder = ray.remote(num_cpus=0)(Holder).remote()
    executor, (chunk,) = RayExecutor(slots=1), ray.get(holder.hold.remote())
    ray.kill(holder)  # and with its owner the object is gone
    backend = Backend(fakes.inspect, fakes.train, inputs=partial(shipped, root=tmp_path))
    driver = Driver(executor, backend, {None: {"data": ShippedFiles("set.txt", "ab" * 32, 10, (chunk,))}})
    (record,) = fakes.ends(driver.run(iter(jobs(tmp_path / "study")[:1]))).values()
    driver.close()
    assert "its node or process was lost 5 times, last: " in record.error


@pytest.mark.parametrize("package", ["ultralytics", "torch", "yolo-dropout"])
def test_a_node_with_other_versions_is_refused_unless_that_is_allowed(cluster, package):
    import ray

    told = ray.put(("node-7", {**installed_versions(), package: "0.0.1"}))
    here = installed_versions()[package]
    for allowed in (False, True):
        requests = SlotRequests(RayExecutor(any_versions=allowed))
        requests.pending[told] = "slot"
        if allowed:
            assert requests.take(told) == "slot"
        else:
            with pytest.raises(ClusterError, match=rf"^versions: .* node-7 has {package} 0\.0\.1 \(here {here}\)"):
                requests.take(told)


def test_inputs_that_a_node_refuses_fail_the_run(cluster, tmp_path):
    (tmp_path / "set.txt").write_text("images of another kind")
    backend = Backend(refuse, fakes.train, inputs=partial(shipped, root=tmp_path))
    records = fakes.ends(RayExecutor(slots=1).run(jobs(tmp_path / "study")[:1], backend))
    assert records["p0.00-s0"].error == "InputError: data: no"


def curves(path: Path) -> list[list[str]]:
    """A results.csv without its times."""
    return [[first, *others] for first, _time, *others in (line.split(",") for line in path.read_text().splitlines())]


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


def words(out: Path, address: str) -> list[str]:
    study = ["model=m", "data=d", "epochs=3", "--rates", "0", "0.2", "--seeds", "2", "--out", str(out)]
    return [*study, "--executor", "ray", "--ray-address", address]


def fake_sweep(gate: Path, words: list[str]) -> subprocess.Popen[str]:
    gate.mkdir()
    program = [sys.executable, str(Path(__file__).parents[1] / "support" / "fake_ray.py"), str(gate)]
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([*program, *words], start_new_session=True, **out)


def test_a_driver_that_is_killed_leaves_nothing_running_and_the_same_command_goes_on(
    cluster, tmp_path, record_property, capsys
):
    import ray

    gate, out = tmp_path / "gate", tmp_path / "study"
    first = fake_sweep(gate, words(out, cluster.address))
    wait_until(lambda: len(list(gate.glob("p*"))) >= 2, first)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    wait_until(lambda: ray.available_resources().get("CPU") == 2)
    (gate / "go").touch()
    assert fake_ray.main(str(gate), *words(out, cluster.address)) == 0
    assert "4 of 4 runs to do" in capsys.readouterr().out
    assert len(read_records(StudyFolder(out))[0]) == 4
    record_property("fault", ("driver of a Ray cluster killed", 1, "its tasks end, the same command goes on"))


@pytest.mark.soak
def test_ctrl_c_twice_on_ray_stops_now(cluster, tmp_path):
    import ray

    gate = tmp_path / "gate"
    sweep = fake_sweep(gate, words(tmp_path / "study", cluster.address))
    wait_until(lambda: len(list(gate.glob("p*"))) >= 2, sweep)
    for _ in range(2):
        os.killpg(sweep.pid, signal.SIGINT)
        time.sleep(1)
    told, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130, told
    assert told.endswith("yolo-dropout: interrupted; the same command goes on from here\n")
    assert "Traceback" not in told
    wait_until(lambda: ray.available_resources().get("CPU") == 2)

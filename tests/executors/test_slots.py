"""How many runs share a GPU: decided on made-up GPUs, and carried out with real processes that use none."""

from __future__ import annotations

import time

import fakes
import pytest
from fakes import SPEC, ends, jobs

from yolo_dropout.errors import SpecError
from yolo_dropout.executors import Backend, Ended, Found, Gpu, Started
from yolo_dropout.executors.local import worker
from yolo_dropout.executors.local.executor import LocalExecutor
from yolo_dropout.executors.local.shifting import on_gpu
from yolo_dropout.executors.local.slots import ANYWHERE, Load, Seen, Slots, asked_gpus, gpus_of, look
from yolo_dropout.executors.resources import default_jobs, threads_per_run
from yolo_dropout.spec.study_spec import StudySpec

GB = 10**9
ONE, TWO = (Gpu(0, 80 * GB),), (Gpu(0, 80 * GB), Gpu(1, 80 * GB))
SMALL = Load(4 * GB, 0.1)


def slots(gpus=ONE, load=None, cores=64, **asked):
    return Slots(gpus=gpus, cores=cores, load=load, **asked)


def filled(these):
    """The places that runs take, one after the other, until there is no room."""
    running = []
    while (place := these.place(running)) is not None:
        running.append(place)
    return running


def test_cores_hold_so_many_runs_and_tell_none_of_them_where_to_train():
    assert filled(Slots(3)) == [ANYWHERE] * 3


def test_before_anything_is_measured_each_gpu_trains_one_run():
    assert filled(slots(ONE)) == [0]
    assert filled(slots(TWO)) == [0, 1]
    assert slots(TWO).measuring


@pytest.mark.parametrize(
    ("load", "gpu", "runs"),
    [
        (Load(4 * GB, 0.3), Gpu(0, 80 * GB), 3),  # a third of the time each
        (Load(4 * GB, 0.9), Gpu(0, 80 * GB), 1),
        (Load(50 * GB, 0.1), Gpu(0, 80 * GB), 1),  # peaks high
        (Load(90 * GB, 0.1), Gpu(0, 80 * GB), 1),  # fits by no count, but has to train somewhere
        (Load(4 * GB, 0.1), Gpu(0, 8 * GB), 1),  # small memory
        (Load(4 * GB, 0.1), Gpu(0, 80 * GB, 62 * GB), 4),  # another user's 62 GB: 0.9 * 18 / 4
        (Load(4 * GB, 0.0), Gpu(0, 80 * GB), 18),  # 0.9 * 80 / 4
    ],
)
def test_memory_and_utilisation_decide_how_many_runs_share_a_gpu(load, gpu, runs):
    assert filled(slots((gpu,), load)) == [0] * runs


def test_every_run_that_shares_a_gpu_has_two_cores():
    assert len(filled(slots(ONE, SMALL, cores=16))) == 8
    assert len(filled(slots(TWO, SMALL, cores=16))) == 8
    assert len(filled(slots(TWO, SMALL, cores=1))) == 2


def test_all_gpus_are_filled_evenly_and_the_emptier_first():
    busy = (Gpu(0, 80 * GB, 20 * GB), Gpu(3, 80 * GB))
    assert filled(slots(busy, Load(30 * GB, 0.1))) == [3, 0, 3]
    assert filled(slots(busy)) == [3, 0]


def test_what_was_asked_for_per_gpu_holds_whatever_is_measured():
    assert filled(slots(TWO, Load(70 * GB, 1.0), per_gpu=4)) == [0, 1] * 4
    assert not slots(per_gpu=4).measuring


def fitted(gpus, *asked):
    """The slots that an executor settles on, how many runs they take at once, and what is told."""
    executor = LocalExecutor(*asked)
    now, note = executor.fit(Found(task="detect", n_train=4, n_val=4, gpus=gpus))
    return executor.slots, now, note


def test_jobs_bound_the_runs_on_all_gpus_together():
    asked, _, note = fitted(TWO, 3)
    assert (filled(asked), note) == ([0, 1, 0], None)
    asked, now, _ = fitted(TWO, 3, 1)
    assert filled(asked) == [0, 1]
    assert (now, fitted(TWO, None, 4)[1]) == (2, 8)


def test_without_a_gpu_per_gpu_is_told_to_mean_nothing():
    assert fitted((), 2, 4) == (Slots(2), 2, "per-gpu: no GPU is used here, so 4 has no effect")


def test_a_run_is_measured_in_its_second_epoch():
    first, samples = Seen(), iter((0.2, 0.4))
    for epochs, busy in ((0, []), (1, [0.2]), (1, [0.2, 0.4])):
        first.epochs, first.gpu_bytes = epochs, 3 * GB
        assert look(slots(), {0: first}, lambda _gpu: next(samples)).measuring
        assert first.busy == pytest.approx(busy)
    first.epochs = 2
    measured = look(slots(), {0: first}, lambda _gpu: next(samples))
    assert measured.load == Load(3 * GB, pytest.approx(0.3))
    assert len(filled(measured)) == 3


def test_a_gpu_whose_utilisation_nobody_knows_trains_one_run_at_a_time():
    first = Seen(epochs=1)
    look(slots(), {0: first}, lambda _gpu: None)
    first.epochs, first.gpu_bytes = 2, GB
    assert filled(look(slots(), {0: first}, lambda _gpu: None)) == [0]


def test_a_run_that_uses_no_gpu_memory_measures_nothing():
    assert look(slots(), {0: Seen(epochs=5)}, lambda _gpu: 0.1).measuring
    assert worker.gpu_bytes() == 0


@pytest.mark.parametrize(
    ("device", "gpus"),
    [(None, (0, 1)), ("", (0, 1)), (-1, (0, 1)), ("cuda", (0, 1)), (1, (1,)), ("0,1", (0, 1)), ([1, 0], (1, 0)),
     ("cuda:1", (1,)), ("cpu", ()), ("mps", ())],
)  # fmt: skip
def test_device_names_the_gpus_that_take_part(device, gpus):
    assert asked_gpus(device, 2) == gpus


def test_a_gpu_that_is_not_there_is_told():
    with pytest.raises(SpecError, match=r"^device: must name GPUs below 2, got '0,5'; leave it out to use all$"):
        asked_gpus("0,5", 2)


def test_on_the_cpu_no_gpu_takes_part():
    assert gpus_of(StudySpec(model="m", data="d", train={"device": "cpu"})) == ()


@pytest.mark.parametrize("device", ["mps", "MPS", "mps:0"])
def test_a_mac_s_gpu_trains_one_run_at_a_time_on_the_device_that_was_asked_for(device, tmp_path):
    gpus = gpus_of(StudySpec(model="m", data="d", train={"device": device}))
    asked, now, note = fitted(gpus)
    assert (filled(asked), now, note) == ([ANYWHERE], 1, None)
    assert filled(look(asked, {ANYWHERE: Seen(epochs=2)}, lambda _gpu: None)) == [ANYWHERE]
    assert fitted(gpus, 3)[1] == fitted(gpus, None, 3)[1] == 3, "what was asked for holds"
    assert on_gpu({"device": device})


@pytest.mark.parametrize("gpus", [(), ONE, TWO, (Gpu(ANYWHERE, 0),)])
@pytest.mark.parametrize("load", [None, SMALL, Load(30 * GB, 0.5), Load(0, 0.0)])
def test_on_any_number_of_cores_at_least_one_run_trains_and_no_core_is_shared_by_many(gpus, load):
    for n_cores in range(1, 129):
        by_cores = default_jobs(n_cores, threads_per_run(n_cores), 10**15)
        room = filled(Slots(None if gpus else by_cores, gpus, cores=n_cores, load=load))
        assert 1 <= len(room) <= max(1, len(gpus), n_cores)
        assert by_cores * threads_per_run(n_cores) <= n_cores
        assert len(room) <= max(len(gpus), n_cores // 2) or not gpus


def train_on_gpu(job, on_epoch):
    """Two epochs of a run that takes 3 GB, and then some time, so that others come beside it."""
    worker.gpu_bytes = lambda: 3 * GB  # this process is the run's own
    (job.path / "device").write_text(str(job.spec.train["device"]))
    for row in fakes.rows(0.0, 0, 2):
        time.sleep(0.3)
        on_epoch(dict(zip(fakes.COLUMNS, row, strict=True)))
    time.sleep(1.0)
    return fakes.train(job, on_epoch)


def test_runs_share_a_gpu_once_the_first_has_shown_what_it_takes(tmp_path):
    executor = LocalExecutor(slots=Slots(gpus=ONE, cores=64), utilisation=lambda _gpu: 0.3)
    events = list(executor.run(jobs(tmp_path), Backend(fakes.inspect, train_on_gpu)))
    steps = "".join(
        "s" if isinstance(event, Started) else "e" for event in events if isinstance(event, Started | Ended)
    )
    assert steps.startswith("sss"), "two more start while the first still trains"
    assert steps[3] == "e", "and no fourth"
    assert all(record.finished for record in ends(events).values())


def test_each_gpu_gets_runs_of_its_own(tmp_path):
    executor = LocalExecutor(slots=Slots(gpus=TWO, cores=64, per_gpu=2))
    list(executor.run(jobs(tmp_path), Backend(fakes.inspect, train_on_gpu)))
    assert sorted((job.path / "device").read_text() for job in jobs(tmp_path)) == ["0", "0", "1", "1"]


def crowded_out(job, on_epoch):
    """The control's runs fail while another is on the GPU; so does rate 0.1 of seed 1, whatever happens."""
    marker = job.path.parent / f"tried-{job.run.name}"
    if job.run.rate == 0 and not marker.exists():
        marker.touch()
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if job.run.name == "p0.10-s1":
        raise RuntimeError("CUDA out of memory. Tried to allocate 90.00 GiB")
    time.sleep(1.0)
    return fakes.train(job, on_epoch)


def test_a_run_that_others_left_no_memory_is_trained_once_more_alone(tmp_path):
    executor = LocalExecutor(slots=Slots(gpus=ONE, cores=64, per_gpu=2))
    events = list(executor.run(jobs(tmp_path)[:2], Backend(fakes.inspect, crowded_out)))
    assert {name: record.finished for name, record in ends(events).items()} == {"p0.00-s0": True, "p0.10-s0": True}
    assert [event.run.name for event in events if isinstance(event, Started)] == ["p0.00-s0", "p0.10-s0", "p0.00-s0"]


def test_a_run_that_is_out_of_memory_alone_has_failed(tmp_path):
    executor = LocalExecutor(slots=Slots(gpus=ONE, cores=64))
    records = ends(executor.run(jobs(tmp_path)[3:], Backend(fakes.inspect, crowded_out)))
    assert "out of memory" in records["p0.10-s1"].error
    assert records["p0.10-s1"].error.endswith("; try fewer --jobs, or a smaller batch or imgsz")


def test_more_room_than_runs_does_no_harm(tmp_path):
    executor = LocalExecutor(slots=Slots(gpus=TWO, cores=64, per_gpu=9))
    assert len(ends(executor.run(jobs(tmp_path), Backend(fakes.inspect, train_on_gpu)))) == len(SPEC.seeds) * 2


def both_crowded_out(job, on_epoch):
    """Each run fails once, at the same moment as the other."""
    marker = job.path.parent / f"tried-{job.run.name}"
    if marker.exists():
        return fakes.train(job, on_epoch)
    marker.touch()
    while len(list(job.path.parent.glob("tried-*"))) < 2:
        time.sleep(0.01)
    raise RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR")


def test_runs_that_crowd_each_other_out_are_both_trained_once_more_and_the_executor_has_learnt(tmp_path):
    executor = LocalExecutor(slots=Slots(gpus=ONE, cores=64, per_gpu=2))
    records = ends(executor.run(jobs(tmp_path)[:2], Backend(fakes.inspect, both_crowded_out)))
    assert [record.finished for record in records.values()] == [True, True]
    events = list(executor.run(jobs(tmp_path)[2:], Backend(fakes.inspect, train_on_gpu)))
    steps = [type(event) for event in events if isinstance(event, Started | Ended)]
    assert steps == [Started, Ended, Started, Ended], "one at a time from now on"

"""What the driver of a large study holds: N instant runs through Ray on this machine.

Every run is a process of its own that writes a `results.csv` of 50 epochs and 100 kB of log, and trains nothing. So the
figures are those of the driver and of Ray, and the rate is bounded by how fast this machine starts processes.

    python scripts/ray_scale.py [runs] [slots]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from yolo_dropout.executors import PRELOAD, Backend, Ended, Found, Job, OnEpoch, Outcome
from yolo_dropout.spec.runs import plan
from yolo_dropout.spec.study_spec import StudySpec

EPOCHS, LOG_BYTES = 50, 100_000


def inspect(_spec: StudySpec) -> Found:
    """Nothing to look at."""
    return Found(task="detect", n_train=0, n_val=0)


def train(job: Job, on_epoch: OnEpoch) -> Outcome:
    """Write what a training of 50 epochs writes, checkpoints aside."""
    row = {"epoch": 1.0, "train/box_loss": 1.0, "val/box_loss": 1.0}
    lines = [",".join(row)]
    for epoch in range(1, EPOCHS + 1):
        row["epoch"] = epoch
        lines.append(",".join(map(str, row.values())))
        on_epoch(dict(row))
    job.folder.results.write_text("\n".join([*lines, ""]))
    print("x" * LOG_BYTES)
    return Outcome((), {}, {})


def megabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:.1f} MB"


def object_store_bytes() -> float:
    import ray

    name = "object_store_memory"
    total, free = ray.cluster_resources().get(name, 0.0), ray.available_resources().get(name, 0.0)
    return float(total - free)


def main(n_runs: int, slots: int) -> None:
    import ray_scale  # by its module's name, so that the nodes find it too

    from yolo_dropout.executors.ray import RayExecutor, connected

    spec = StudySpec(model="m", data="d", rates=tuple(i / 20 for i in range(10)), seeds=tuple(range(-(-n_runs // 10))))
    backend = Backend(ray_scale.inspect, ray_scale.train, preload=PRELOAD)  # as real runs have it
    with tempfile.TemporaryDirectory() as out, connected("local"):
        runs = plan(spec)[:n_runs]
        jobs = (Job(run, spec, Path(out) / "study" / "runs" / run.name) for run in runs)
        before, most, ended, start = peak_bytes(), 0.0, 0, 0.0
        for event in RayExecutor(slots=slots, cpus_per_run=2 / slots).run(jobs, backend):
            start = start or time.monotonic()
            if isinstance(event, Ended):
                ended += event.record.finished
                if ended % 20 == 0:
                    most = max(most, object_store_bytes())
                if ended % 200 == 0:
                    rate = ended / (time.monotonic() - start)
                    print(f"{ended} runs, {rate:.1f} a second, driver {megabytes(peak_bytes())}", flush=True)
        seconds, peak = time.monotonic() - start, peak_bytes()
        back = sum(path.stat().st_size for path in Path(out).rglob("*") if path.is_file()) / n_runs
    print(f"runs finished             {ended} of {n_runs}, {slots} at a time")
    print(f"driver memory at its peak {megabytes(peak)}, {megabytes(before)} before the first run")
    print(f"object store at most      {megabytes(most)}, looked at every 20 runs")
    print(f"back per run              {back / 1e3:.1f} kB")
    print(f"runs a second             {ended / seconds:.1f}")


def peak_bytes() -> float:
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["10000", "2"][len(sys.argv) - 1 :])))

"""Cores and memory as a container has them, from made-up `proc` and `sys` trees."""

from __future__ import annotations

import os

import pytest

from yolo_dropout.executors.resources import cores, default_jobs, free_memory, threads_per_run

GB = 10**9


def tree(root, **files):
    """Write files below a root; in a name, `__` stands for a slash and `_DOT_` for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MINE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def test_without_limits_all_cores_and_all_free_memory_count(tmp_path):
    tree(tmp_path, sys__fs__cgroup__cpu_DOT_max="max 100000\n", sys__fs__cgroup__memory_DOT_max="max\n")
    assert cores(tmp_path) == MINE
    assert free_memory(tmp_path, 8 * GB) == 8 * GB


@pytest.mark.parametrize("quota", ["50000", "100000", "190000"])
def test_a_quota_counts_in_whole_cores_and_leaves_one_at_least(tmp_path, quota):
    assert cores(tree(tmp_path, sys__fs__cgroup__cpu_DOT_max=f"{quota} 100000\n")) == 1


def test_the_smallest_limit_of_nested_cgroups_counts(tmp_path):
    tree(
        tmp_path,
        proc__self__cgroup="0::/user.slice/job/step\n",
        sys__fs__cgroup__user_DOT_slice__job__cpu_DOT_max="100000 100000",
        sys__fs__cgroup__user_DOT_slice__job__step__cpu_DOT_max="max 100000",
        sys__fs__cgroup__user_DOT_slice__job__memory_DOT_max=str(6 * GB),
        sys__fs__cgroup__user_DOT_slice__job__memory_DOT_current=str(4 * GB),
        sys__fs__cgroup__user_DOT_slice__job__memory_DOT_stat=f"anon {3 * GB}\ninactive_file {GB}\n",
        sys__fs__cgroup__user_DOT_slice__job__step__memory_DOT_max="max",
    )
    assert cores(tmp_path) == 1
    assert free_memory(tmp_path, 64 * GB) == 3 * GB  # 6 - 4, and the gigabyte of files that can be dropped


def test_a_cgroup_that_is_full_leaves_nothing(tmp_path):
    tree(tmp_path, sys__fs__cgroup__memory_DOT_max=str(GB), sys__fs__cgroup__memory_DOT_current=str(2 * GB))
    assert free_memory(tmp_path, 64 * GB) == 0


@pytest.mark.parametrize(("machine", "threads"), [(1, 1), (2, 1), (4, 3), (9, 8), (64, 8)])
def test_a_training_takes_the_threads_that_ultralytics_gives_it(machine, threads):
    assert threads_per_run(machine) == threads


def test_ultralytics_counts_threads_as_we_do():
    from ultralytics.utils import NUM_THREADS

    assert threads_per_run() == NUM_THREADS


@pytest.mark.parametrize(
    ("n_cores", "n_threads", "free", "jobs"),
    [(2, 1, 64 * GB, 2), (64, 8, 64 * GB, 8), (4, 3, 64 * GB, 1), (2, 8, 64 * GB, 1), (64, 8, 4 * GB, 2), (2, 1, 0, 1)],
)
def test_jobs_are_as_many_as_cores_and_memory_hold(n_cores, n_threads, free, jobs):
    assert default_jobs(n_cores, n_threads, free) == jobs

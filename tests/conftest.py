"""What every test may rely on: the helpers beside it are importable, and nothing is loaded from the network."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

from yolo_dropout.executors import PRELOAD
from yolo_dropout.executors.local.processes import warm_up

sys.path.insert(0, str(Path(__file__).parent / "support"))
import unflushed  # noqa: F401

os.environ.setdefault("YOLO_OFFLINE", "true")
os.environ.setdefault("MPLBACKEND", "agg")
# Ultralytics has settings for the test run, and not the user's; the workers of a run share them.
if "PYTEST_XDIST_WORKER" not in os.environ:
    SETTINGS_FOLDER = TemporaryDirectory(prefix="yolo-settings-")
    os.environ["YOLO_CONFIG_DIR"] = SETTINGS_FOLDER.name
# A test run in the background of a shell ignores Ctrl-C, and so would the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Shared machines stall now and then: a slow example is no finding. CI repeats the same examples every time.
settings.register_profile(
    "project", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("project")


# A run's process imports the test file that its trainer stands in, and with it these: two seconds for every run.
# None of them draws a random number as it is imported.
OF_TEST_FILES = ("unflushed", "pytest", "hypothesis", "yolo_dropout.study", "yolo_dropout.report.publish")


# What takes longest comes first, so that no core is left with the last of it; a file of many tests is not a long one.
LONGEST = (
    *("test_training_checkpoints", "test_docs", "test_ray", "test_training_tasks", "test_training"),
    *("test_training_resume", "test_measuring", "test_faults", "test_inference", "test_training_prepare", "test_crash"),
    *("test_sites_models", "test_trackers", "test_treatments", "test_bad_input", "test_study", "test_report_browser"),
    *("test_crash_real", "test_platforms", "test_notebook", "test_interrupts", "test_folds_train", "test_preload"),
    "test_output",
)


def pytest_configure(config):
    """Have xdist take the files in the order of their collection, and not those of most tests first."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Take what test files import out of every later search for garbage: half a second each, several in a training."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items):
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(scope="session", autouse=True)
def fork_server_for_real_trainings(request):
    """A process has one fork server: a test with a fake backend, which needs nothing preloaded, must not start it."""
    if "ultralytics" in sys.modules:
        # Every process that trains would import these for three seconds.
        from ultralytics.utils import SETTINGS

        SETTINGS.update(dict.fromkeys(("mlflow", "raytune", "tensorboard"), False))
    if not all(item.get_closest_marker("oldest") for item in request.session.items):
        warm_up((*PRELOAD, *OF_TEST_FILES))


@pytest.fixture
def no_pictures(monkeypatch):
    """Reports come without their pictures, which take two seconds to draw: for tests that look at something else."""
    for name, drawn in (("figures_of", {}), ("card", None), ("to_card", b"")):
        monkeypatch.setattr(f"yolo_dropout.report.publish.{name}", lambda _, drawn=drawn: drawn)


@cache
def import_trackers():
    """As the first training of a process does: what is imported then draws from `random`, and the next one differs."""
    from ultralytics.utils.callbacks import add_integration_callbacks

    add_integration_callbacks(type("Trainer", (), {"callbacks": defaultdict(list)})())


@pytest.fixture(autouse=True)
def _trainings_of_one_process_are_alike(request):
    if request.node.get_closest_marker("train"):
        import_trackers()


def pytest_terminal_summary(terminalreporter):
    """List the faults that passing tests injected: they tell them by `record_property("fault", (name, n, outcome))`."""
    counts: Counter[tuple[str, str]] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties if report.when == "call" else ():
            if name == "fault":
                counts[value[0], value[2]] += value[1]
    if counts:
        terminalreporter.section("faults injected")
        for (fault, outcome), count in sorted(counts.items()):
            terminalreporter.write_line(f"{count:5d}  {fault}: {outcome}")

"""What Windows does differently, on made-up parts of it: never on a real one."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import time

import psutil
import pytest
import without_posix
from survival import alive

from yolo_dropout.base import platform

WINDOWS = without_posix.platform_of_windows()


@pytest.mark.parametrize("system", [platform, WINDOWS])
def test_a_lock_is_shared_or_one_s_alone(tmp_path, system):
    with (tmp_path / "lock").open("a") as mine, (tmp_path / "lock").open("a") as other:
        system.lock(mine, alone=False)
        system.lock(other, alone=False)
        with pytest.raises(BlockingIOError):
            system.lock(other, alone=True, wait=False)
        system.lock(other, alone=False)
        mine.close()
        system.lock(other, alone=True)
        with (tmp_path / "lock").open("a") as late:
            with pytest.raises(BlockingIOError):
                system.lock(late, alone=False, wait=False)
            system.lock(other, alone=False)
            system.lock(late, alone=False, wait=False)


def refuse(times):
    left = iter([PermissionError("in use")] * times)

    def action():
        for error in left:
            raise error
        return "done"

    return action


def test_a_file_that_somebody_holds_open_is_waited_for_on_windows():
    assert WINDOWS.patiently(refuse(2)) == "done"
    with pytest.raises(PermissionError):
        platform.patiently(refuse(1))


def test_ctrl_c_is_held_back_while_a_process_starts_on_windows():
    without_posix.CONSOLE.clear()
    with WINDOWS.interrupts_held_back():
        assert without_posix.CONSOLE == [(None, True)]
    assert without_posix.CONSOLE == [(None, True), (None, False)]


FAMILY = "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"


def test_what_a_process_has_started_ends_with_it_on_windows():
    with subprocess.Popen([sys.executable, "-c", FAMILY + "time.sleep(60)"]) as process:
        while not (children := psutil.Process(process.pid).children()):
            time.sleep(0.02)
        WINDOWS.end_group(process.pid)
        while any(alive(child.pid) for child in children):
            time.sleep(0.02)
        process.kill()
    WINDOWS.end_group(process.pid)  # that is no more


@pytest.mark.parametrize(
    ("methods", "system", "taken"),
    [(["fork", "spawn", "forkserver"], "linux", "forkserver"), (["spawn", "fork", "forkserver"], "darwin", "spawn"),
     (["spawn"], "win32", "spawn")],
)  # fmt: skip
def test_processes_start_as_their_platform_bears_it(methods, system, taken, monkeypatch):
    monkeypatch.setattr(platform, "get_all_start_methods", lambda: methods)
    monkeypatch.setattr(sys, "platform", system)
    assert platform.start_method() == taken


def test_a_command_is_written_for_the_shell_that_will_read_it():
    words = ["yolo-dropout", "report", r"C:\my runs\it's"]
    assert WINDOWS.command_line(words) == r'''yolo-dropout report "C:\my runs\it's"'''
    assert platform.command_line(words[:2]) == "yolo-dropout report"


def test_what_is_printed_and_logged_goes_where_the_descriptors_lead_on_windows(monkeypatch, capfd):
    console = io.StringIO()  # as a stream that was opened for a console, it can be led nowhere else
    handler, logger = logging.StreamHandler(console), logging.getLogger("of a console")
    logger.addHandler(handler)
    monkeypatch.setattr(sys, "stdout", console)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    WINDOWS.renew_output()
    print("printed ✅")
    logger.warning("logged ✅")
    logger.removeHandler(handler)
    assert capfd.readouterr().out == "printed ✅\nlogged ✅\n"

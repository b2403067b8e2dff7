"""What our modules would see on Windows, as far as Linux can show it; never a real one: see `docs/platforms.md`.

Once this is imported, a module of `yolo_dropout` finds `sys.platform` to be `win32`, no POSIX modules, functions and
signals, and a `msvcrt` and a console that are made up. Other libraries see this machine as it is.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import importlib.util
import multiprocessing
import os
import signal
import struct
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

REFUSED = ("fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "syslog", "posix", "_posixsubprocess")
OF_OS = (
    *("uname", "killpg", "setsid", "getsid", "setpgid", "getpgid", "getpgrp", "fork", "forkpty", "getuid", "geteuid"),
    *("getgid", "setuid", "sched_getaffinity", "sched_setaffinity", "statvfs", "fstatvfs", "chown", "chroot", "mkfifo"),
    *("getloadavg", "sysconf", "nice", "wait", "WNOHANG", "register_at_fork", "sync", "pread", "pwrite", "openpty"),
    *("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC", "O_CLOEXEC", "posix_fallocate", "sendfile", "getgroups"),
)
OF_SIGNAL = (
    *("pthread_sigmask", "pthread_kill", "sigwait", "sigpending", "setitimer", "ITIMER_REAL", "alarm", "pause"),
    *("SIGKILL", "SIGHUP", "SIGALRM", "SIGCHLD", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGSTOP", "SIGCONT", "SIGPIPE"),
    *("SIG_BLOCK", "SIG_UNBLOCK", "SIG_SETMASK", "siginterrupt"),
)
CONSOLE: list[tuple[Any, bool]] = []  # what the console was told of Ctrl-C


class View(ModuleType):
    """A module without some of its names, and with others instead; what is set in it is set in the real one."""

    def __init__(self, real: ModuleType, absent: Collection[str] = (), instead: Mapping[str, Any] | None = None):
        super().__init__(real.__name__)
        vars(self).update(_real=real, _absent=absent, _instead=instead or {})

    def __getattr__(self, name: str) -> Any:
        if name in vars(self)["_absent"]:
            raise AttributeError(f"{self.__name__}.{name}: Windows has none")
        return self._instead[name] if name in self._instead else getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)


def locking(number: int, how: int, length: int) -> None:
    """As `msvcrt.locking`, from where the file stands, and like it of this handle alone."""
    kind, start = (fcntl.F_UNLCK, fcntl.F_WRLCK)[how > 0], os.lseek(number, 0, os.SEEK_CUR)
    try:
        fcntl.fcntl(number, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, start, length, 0))
    except BlockingIOError as error:
        raise PermissionError(errno.EACCES, "Permission denied") from error


def tell_console(handler: Any, add: bool) -> None:
    CONSOLE.append((handler, add))


def no_link(path: Path, *_: Any, **__: Any) -> None:
    raise OSError(22, "A required privilege is not held by the client", str(path))


def made(name: str, **content: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(content)
    return module


VIEWS: dict[str, ModuleType] = {
    "os": View(os, OF_OS, {"name": "nt"}),
    "signal": View(signal, OF_SIGNAL),
    "sys": View(sys, (), {"platform": "win32"}),
    "msvcrt": made("msvcrt", LK_UNLCK=0, LK_NBLCK=2, locking=locking),
    "ctypes": made("ctypes", windll=SimpleNamespace(kernel32=SimpleNamespace(SetConsoleCtrlHandler=tell_console))),
}
really = builtins.__import__


def as_on_windows(name: str, where: Any = None, *rest: Any, **more: Any) -> Any:
    if str((where or {}).get("__name__")).partition(".")[0] == "yolo_dropout":
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in VIEWS:
            return VIEWS[name]
    return really(name, where, *rest, **more)


def platform_of_windows() -> Any:
    """Our `base.platform` as Windows would have it, beside this machine's own."""
    file = Path(__file__).parents[2] / "yolo_dropout" / "base" / "platform.py"
    spec = importlib.util.spec_from_file_location("yolo_dropout.base.platform_of_windows", file)
    module = importlib.util.module_from_spec(spec)
    builtins.__import__ = as_on_windows
    try:
        spec.loader.exec_module(module)
    finally:
        builtins.__import__ = really
    return module


def install() -> None:
    """Have all modules of `yolo_dropout` that this process imports from now on see Windows."""
    builtins.__import__ = as_on_windows
    multiprocessing.get_all_start_methods = lambda: ["spawn"]
    multiprocessing.set_start_method("spawn")
    Path.symlink_to = no_link


def environment(folder: Path) -> dict[str, str]:
    """Variables with which every Python process installs this as it starts, and writes text as Windows does."""
    code = f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    (folder / "sitecustomize.py").write_text(f"{code}import without_posix\nwithout_posix.install()\n")
    root = Path(__file__).parents[2]
    return os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{root}", "PYTHONIOENCODING": "cp1252"}

"""Wait until something is so, with an end to it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

# The machines that run these tests are shared, and slow at times.
PATIENCE_S = 300


def wait_until(what: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Return once `what()` is true; fail where that takes too long, or `process` ends before."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert process is None or process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)

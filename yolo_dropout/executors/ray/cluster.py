"""Into a Ray cluster and out again, with one clear line where there is none."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
from collections.abc import Iterator
from typing import Any

from yolo_dropout.errors import ClusterError
from yolo_dropout.executors.resources import cores

_PATIENCE_S = 5.0


@contextlib.contextmanager
def connected(address: str | None = None) -> Iterator[str]:
    """Be a driver of a Ray cluster while the block lasts; one that is connected already stays so.

    Args:
        address: `host:port` of the cluster's head, `auto` for the one that runs on this machine, or `local` for a new
            one of this machine's cores, which ends with the block. By default that of `RAY_ADDRESS`, else the one
            that runs here, else a new one.

    Yields:
        The address of the cluster.

    Raises:
        ClusterError: Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise ClusterError("executor: ray is not installed; run `pip install yolo-dropout[ray]`") from error
    if ray.is_initialized():
        yield ray.get_runtime_context().gcs_address
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        _connect(ray, address or os.environ.get("RAY_ADDRESS"))
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, handler)  # Ray has put its own there, which ends the process
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str | None) -> None:
    # Nothing here calls home, unless the user has told Ray to do so.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    own = {"address": "local", "num_cpus": cores(), "include_dashboard": False, **quiet}
    if address == "local":
        ray.init(**own)
        return
    _check_answers(address)
    try:
        ray.init(address=address or "auto", **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        # A cluster that refuses must not be mistaken for none.
        if address is not None or "Could not find any running Ray" not in str(error):
            told = str(error).strip().partition("\n")[0]
            raise ClusterError(
                f"ray-address: {address or 'the cluster here'} cannot be used: {told}; see `ray status`, set "
                "RAY_AUTH_MODE=token where it asks for a token, or use --ray-address local"
            ) from error
        ray.init(**own)


def _check_answers(address: str | None) -> None:
    """Knock first: Ray itself would try for a minute."""
    if address is None or address in ("auto", "local"):
        return
    host, _, port = re.sub(r"^ray://", "", address).rpartition(":")
    if not host or not port.isdigit():
        raise ClusterError(f"ray-address: must be host:port, auto or local, got {address!r}; such as 10.0.0.1:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ClusterError(
            f"ray-address: {address} does not answer ({reason}); start it with `ray start --head`, or correct it"
        ) from error

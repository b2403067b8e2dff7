"""Ultralytics' check of mixed precision, without its download."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def amp_check_without_download() -> Iterator[None]:
    """Let the AMP check of a CUDA training find itself offline where its model file is missing.

    The check loads yolo26n.pt, and would wait for its download for minutes where a network drops packets. Offline it
    is skipped, and AMP stays as asked for.
    """
    from ultralytics.utils import WEIGHTS_DIR, downloads

    if (WEIGHTS_DIR / "yolo26n.pt").is_file():
        yield
        return
    original, downloads.safe_download = downloads.safe_download, _offline
    try:
        yield
    finally:
        downloads.safe_download = original


def _offline(*_args: Any, **_kwargs: Any) -> None:
    raise ConnectionError("no download during the AMP check")

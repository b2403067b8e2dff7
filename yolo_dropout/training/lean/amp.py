"""Ultralytics' check of mixed precision, without its download."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch


@contextmanager
def amp_check_without_download() -> Iterator[None]:
    """Let the AMP check of a CUDA training find itself offline where its model file is missing.

    The check loads yolo26n.pt, and would wait for its download for minutes where a network drops packets. Offline it
    is skipped, and AMP stays as asked for. Other downloads of a training, of pretrained weights for instance, go on.
    """
    from ultralytics.engine import trainer
    from ultralytics.utils import WEIGHTS_DIR, downloads

    check = trainer.check_amp

    def check_offline(model: Any) -> Any:
        if (WEIGHTS_DIR / "yolo26n.pt").is_file():
            return check(model)
        with patch.object(downloads, "safe_download", _offline):
            return check(model)

    with patch.object(trainer, "check_amp", check_offline):
        yield


def _offline(*_args: Any, **_kwargs: Any) -> None:
    raise ConnectionError("no download during the AMP check")

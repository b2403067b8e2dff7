"""What Ultralytics need not read in a lean training: a model for its AMP check, and what was just written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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

    check, offline = trainer.check_amp, ConnectionError("no download during the AMP check")

    def check_offline(model: Any) -> Any:
        here = (WEIGHTS_DIR / "yolo26n.pt").is_file()
        with nullcontext() if here else patch.object(downloads, "safe_download", side_effect=offline):
            return check(model)

    with patch.object(trainer, "check_amp", check_offline):
        yield


@contextmanager
def not_read_again(yolo: Any) -> Iterator[None]:
    """Hand Ultralytics the best checkpoint of a lean training, which it would read as soon as it is written."""
    from ultralytics.nn import tasks

    read = tasks.torch_safe_load

    def load(file: Any, *args: Any, **kwargs: Any) -> Any:
        content = getattr(yolo.trainer, "best_content", None)
        return (content, file) if content and file == yolo.trainer.best else read(file, *args, **kwargs)

    with patch.object(tasks, "torch_safe_load", load):
        yield

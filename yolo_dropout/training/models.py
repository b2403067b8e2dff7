"""Load a model by path or name, with one clear line where that fails, and what is to be known of it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yolo_dropout.errors import InputError

_REMOTE = ("http:/", "https:/", "ul://", "gs://", "rtsp:/", "rtmp:/")
_TIMEOUT_S = 10


def load_model(model: Any) -> Any:
    """A `YOLO` object from a path, a name, or a `YOLO` object.

    Args:
        model: `best.pt`, `yolo26n.yaml`, `yolo26n.pt` (downloaded if it is not there), or an object with weights.

    Returns:
        The Ultralytics model; `RTDETR`, `YOLOWorld` or `YOLOE` where the file says so.

    Raises:
        InputError: There is no such model, it cannot be downloaded, or it cannot be read.
    """
    if not isinstance(model, (str, Path)):
        return _check(model, type(model).__name__)
    name = str(model).strip()
    try:
        check_there(name)
        return _check(_class_for(name)(name), name)
    except InputError:
        raise
    except Exception as error:  # Ultralytics raises many kinds here, from OSError to AttributeError
        raise InputError(f"model: {name} cannot be loaded: {one_line(error)}") from error


@contextmanager
def quiet(level: str = "ERROR") -> Iterator[None]:
    """Without those of Ultralytics' lines that are below a level."""
    from ultralytics.utils import LOGGER

    before = LOGGER.level
    LOGGER.setLevel(level)
    try:
        yield
    finally:
        LOGGER.setLevel(before)


def can_go_on(yolo: Any) -> bool:
    """Whether a model loaded from a `last.pt` can be trained on: a finished training leaves no optimizer there."""
    return yolo.ckpt.get("epoch", -1) >= 0 and yolo.ckpt.get("optimizer") is not None


def branch_note(yolo: Any, nms: bool | None = None) -> str:
    """What the numbers of a training describe, for heads that train two branches (YOLO26, YOLOv10); else nothing.

    The training's argument `nms` decides: False evaluates the one-to-one branch, without NMS.
    """
    from yolo_dropout.sites import network

    if getattr(network(yolo).model[-1], "one2one_cv2", None) is None:
        return ""
    metrics = "one-to-one branch, no NMS" if nms is False else "one-to-many branch + NMS"
    return f"val losses: one-to-one branch; mAP: {metrics}"


def one_line(error: BaseException) -> str:
    """The message of a foreign exception on one line, without colours."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)) or type(error).__name__
    text = f"it lacks {text}" if isinstance(error, KeyError) else text
    return " ".join(text.replace("❌️", "").replace("❌", "").split())[:400]


def offline() -> bool:
    """Whether nothing may be downloaded: so in a dry run, and where the user has told Ultralytics the same."""
    return os.environ.get("YOLO_OFFLINE", "").lower() in ("1", "true")


def dry() -> str:
    """Why something cannot be downloaded, in brackets; empty where that is not known."""
    return " (nothing is downloaded in a dry run, or with YOLO_OFFLINE)" if offline() else ""


def reachable(url: str) -> bool:
    """Whether an address may be asked and answers within seconds; Ultralytics' own download may retry for minutes."""
    import requests

    if offline():
        return False
    try:
        return requests.head(url, timeout=_TIMEOUT_S, allow_redirects=True).ok
    except requests.RequestException:
        return False


def check_there(name: str, field: str = "model") -> None:
    """Make sure that a model can be had, here or by its name from Ultralytics; an `InputError` names the argument."""
    from ultralytics.utils import SETTINGS
    from ultralytics.utils.checks import check_yolov5u_filename
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES, GITHUB_ASSETS_STEMS

    file = check_yolov5u_filename(f"{name}.pt" if name in GITHUB_ASSETS_STEMS else name, verbose=False)
    here = Path(file).is_file() or (Path(SETTINGS["weights_dir"]) / file).is_file()
    remote = file.lower().startswith(_REMOTE)
    if here or not (file.endswith(".pt") or remote) or (remote and not offline()):
        return
    if not remote and Path(file).name not in GITHUB_ASSETS_NAMES:
        raise InputError(f"{field}: {name} does not exist, and Ultralytics offers no model of that name")
    if not reachable("https://github.com/ultralytics/assets/releases"):
        raise InputError(
            f"{field}: {name} is not here and cannot be downloaded; put the file there, check the network, or start "
            f"from scratch with {Path(file).stem}.yaml{dry()}"
        )


def _class_for(name: str) -> Any:
    from ultralytics import RTDETR, YOLO
    from ultralytics.nn.tasks import yaml_model_load

    if not name.lower().endswith((".yaml", ".yml")):
        return YOLO
    head = yaml_model_load(name)["head"][-1][2]
    return RTDETR if head == "RTDETRDecoder" else YOLO  # YOLO cannot tell the task of an RT-DETR YAML


def _check(yolo: Any, name: str) -> Any:
    from torch import nn

    if not isinstance(getattr(yolo, "model", None), nn.Module) or not hasattr(yolo, "task_map"):
        raise InputError(f"model: needs a .pt or .yaml model that can be trained, got {name}")
    return yolo

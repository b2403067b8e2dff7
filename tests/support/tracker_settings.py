"""Settings of Ultralytics that say which trackers are on: a process that trains imports all that are, for seconds."""

from __future__ import annotations

import json
from pathlib import Path

from ultralytics.utils import SETTINGS

QUIET = {"mlflow": False, "raytune": False, "tensorboard": False}


def write_settings(folder: Path, **trackers: bool) -> Path:
    """Settings as they are here, with these trackers on; the folder is what `YOLO_CONFIG_DIR` takes."""
    place = folder / "Ultralytics"
    place.mkdir(parents=True, exist_ok=True)
    (place / "settings.json").write_text(json.dumps(dict(SETTINGS) | QUIET | trackers))
    return folder

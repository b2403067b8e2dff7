"""A study in experiment trackers: what Ultralytics' own callbacks for them read from the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any
from unittest.mock import patch

from filelock import FileLock

from yolo_dropout.executors import Job

_TURN_S = 60.0


def tracker_environment(job: Job, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that make the study an experiment or a group, and a run findable by treatment and seed.

    Whether a tracker is on is Ultralytics' setting (`yolo settings tensorboard=True`), and nothing here turns one on.
    TensorBoard and W&B name a run after its folder, which tells both. What the user has set, `given`, wins,
    except for the name of a run, which no two runs may share; tags for W&B are added to the user's own.
    """
    # A comma would end a tag.
    study, name, rate = job.study.path.name, job.run.treatment.replace(",", ""), job.run.rate
    marks = {"treatment": name} if rate is None else {"rate": f"{rate:g}"}
    marks |= {"seed": str(job.run.seed)}
    marks |= {} if job.run.fold is None else {"fold": str(job.run.fold)}
    tags = [given.get("WANDB_TAGS", ""), *(f"{name}={value}" for name, value in marks.items())]
    return {
        "MLFLOW_EXPERIMENT_NAME": given.get("MLFLOW_EXPERIMENT_NAME") or study,
        "MLFLOW_RUN": job.run.name,
        "MLFLOW_RUN_CONTEXT": given.get("MLFLOW_RUN_CONTEXT") or json.dumps({"study": study, **marks}),
        "WANDB_RUN_GROUP": given.get("WANDB_RUN_GROUP") or study,
        "WANDB_TAGS": ",".join(filter(None, tags)),
    }


@contextmanager
def registering_in_turn() -> Iterator[None]:
    """Let the runs of this machine register with MLflow one after the other.

    Runs that start together would each create the study's experiment, or the store itself: all but one of them fail,
    and are not tracked. Who has waited for a minute goes on: a server that does not answer holds up its own run alone.
    """
    from ultralytics.utils import SETTINGS, USER_CONFIG_DIR

    on = SETTINGS["mlflow"] is True  # to import it takes a second where it is installed
    callbacks = import_module("ultralytics.utils.callbacks.mlflow").callbacks if on else {}
    register: Any = callbacks.get("on_pretrain_routine_end")  # None where it is not

    def in_turn(trainer: Any) -> None:
        lock = FileLock(USER_CONFIG_DIR / "yolo-dropout-mlflow.lock")
        with suppress(OSError):  # a timeout is one, and a lock that cannot be had must not end the run
            lock.acquire(timeout=_TURN_S)
        try:
            register(trainer)
        finally:
            lock.release()

    with patch.dict(callbacks, {"on_pretrain_routine_end": in_turn} if register else {}):
        yield

"""A study in experiment trackers: what Ultralytics' own callbacks for them read from the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from yolo_dropout.executors import Job


def tracker_environment(job: Job, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that make the study an experiment or a group, and a run findable by rate and seed.

    Whether a tracker is on is Ultralytics' setting (`yolo settings tensorboard=True`), and nothing here turns one
    on. TensorBoard needs no variable: it names a run after its folder, which tells rate and seed.

    Args:
        job: The run that is about to train.
        given: What the user has set; it wins, except for the name of a run, which no two runs may share.

    Returns:
        MLflow: experiment, run name and tags. W&B: group and tags, added to the user's own; its run name is the
        folder's.
    """
    study, marks = job.study.path.name, {"rate": f"{job.run.rate:g}", "seed": str(job.run.seed)}
    marks |= {} if job.run.fold is None else {"fold": str(job.run.fold)}
    tags = [given.get("WANDB_TAGS", ""), *(f"{name}={value}" for name, value in marks.items())]
    return {
        "MLFLOW_EXPERIMENT_NAME": given.get("MLFLOW_EXPERIMENT_NAME") or study,
        "MLFLOW_RUN": job.run.name,
        "MLFLOW_RUN_CONTEXT": given.get("MLFLOW_RUN_CONTEXT") or json.dumps({"study": study, **marks}),
        "WANDB_RUN_GROUP": given.get("WANDB_RUN_GROUP") or study,
        "WANDB_TAGS": ",".join(filter(None, tags)),
    }

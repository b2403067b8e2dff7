"""A study in experiment trackers: what Ultralytics' own callbacks for them read from the environment."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from filelock import FileLock

from yolo_dropout.base.text import cut
from yolo_dropout.errors import YoloDropoutError
from yolo_dropout.executors import Executor, Job
from yolo_dropout.executors.local.processes import one_line
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.spec.treatment import slug

if TYPE_CHECKING:
    from yolo_dropout.decision import Verdict  # with scipy, which a sweep's first words must not wait for

_TURN_S = 60.0
_NAME, _MEASURES = "verdict", ("difference", "low", "high", "p")


def tracker_environment(job: Job, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables that make the study an experiment or a group, and a run findable by treatment and seed.

    Whether a tracker is on is Ultralytics' setting (`yolo settings tensorboard=True`), and nothing here turns one on.
    TensorBoard and W&B name a run after its folder, which tells both. What the user has set, `given`, wins,
    except for the name of a run, which no two runs may share; tags for W&B are added to the user's own.
    """
    # A comma would end a tag.
    study, name, rate = _belonging(job.study, given), job.run.treatment.replace(",", ""), job.run.rate
    marks = {"treatment": name} if rate is None else {"rate": f"{rate:g}"}
    marks |= {"seed": str(job.run.seed)}
    marks |= {} if job.run.fold is None else {"fold": str(job.run.fold)}
    tags = [given.get("WANDB_TAGS", ""), *(f"{name}={value}" for name, value in marks.items())]
    return {
        **study,
        "MLFLOW_RUN": job.run.name,
        "MLFLOW_RUN_CONTEXT": given.get("MLFLOW_RUN_CONTEXT") or json.dumps({"study": job.study.path.name, **marks}),
        "WANDB_TAGS": ",".join(filter(None, tags)),
    }


def _belonging(study: StudyFolder, given: Mapping[str, str]) -> dict[str, str]:
    """What everything that trackers are told of a study belongs to: its name, unless the user has set another."""
    names = ("MLFLOW_EXPERIMENT_NAME", "WANDB_RUN_GROUP")
    return {name: given.get(name) or study.path.name for name in names}


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


def trackers_on() -> tuple[str, ...]:
    """The trackers that are told a verdict, as they are told of runs: on by Ultralytics' settings, and installed."""
    from ultralytics.utils import SETTINGS, TESTS_RUNNING

    on = [] if TESTS_RUNNING else [name for name in _TELL if SETTINGS[name] is True]
    return tuple(name for name in on if (found := find_spec(name)) and found.origin)  # a mere folder has none


def untold(
    executor: Executor, trackers: Sequence[str], study: StudyFolder, verdict: Verdict, score: str
) -> Sequence[str]:
    """Tell trackers a verdict, in a process of its own; a line for each that was not told, as the study stands."""
    if not trackers:
        return ()
    try:
        return executor.call(tell_verdict, trackers, study, verdict, score, log=Path(os.devnull))
    except YoloDropoutError as error:
        cause = str(error).partition("; see ")[0]
        return (f"{', '.join(trackers)}: may lack the verdict ({cause}); the same command tries again",)


def tell_verdict(trackers: Sequence[str], study: StudyFolder, verdict: Verdict, score: str) -> tuple[str, ...]:
    """Log a verdict as a run of the study, which takes the place of its earlier one.

    Returns:
        A line for each of the trackers that could not be told.
    """
    failed = []
    for tracker in trackers:
        try:
            _TELL[tracker](_Told(study, verdict, score))
        except Exception as error:  # whatever is wrong there, the study stands
            if tracker == "mlflow" and isinstance(error, ImportError):  # mlflow-skinny, which has no store of its own
                error = ImportError(f"{error}: set MLFLOW_TRACKING_URI, or install mlflow")
            told = f"{tracker}: was not told the verdict ({cut(one_line(error), 160)})"
            failed.append(f"{told}; the same command tries again, `yolo settings {tracker}=False` turns it off")
    return tuple(failed)


@dataclass(frozen=True)
class _Told:
    """What trackers are told of a verdict, and where that belongs."""

    study: StudyFolder
    verdict: Verdict
    score: str

    @property
    def marks(self) -> dict[str, str]:
        chosen = {"outcome": self.verdict.outcome, "chosen": self.verdict.treatment}
        return {"study": self.study.path.name, **chosen, "score": self.score, "verdict": self.identity}

    @property
    def identity(self) -> str:
        """The same for a folder's every verdict, and for no other's, whatever shares its experiment or group."""
        return f"{_NAME}-{hashlib.sha256(str(self.study.path).encode()).hexdigest()[:12]}"

    @property
    def metrics(self) -> dict[str, float]:
        """By the name that folders of a treatment's runs begin with; NaN takes the place of what once was a number."""
        named = {(slug(c.treatment), name): getattr(c, name) for c in self.verdict.comparisons for name in _MEASURES}
        return {f"{key}/{name}": math.nan if value is None else value for (key, name), value in named.items()}

    @property
    def files(self) -> list[Path]:
        return [path for path in (self.study.report, self.study.verdict) if path.exists()]

    @property
    def belonging(self) -> dict[str, str]:
        return _belonging(self.study, os.environ)


def _tell_mlflow(told: _Told) -> None:
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # its seven take four minutes
    import mlflow
    from ultralytics.utils.callbacks import mlflow as of_runs

    if folder := getattr(of_runs, "RUNS_DIR", None):  # Ultralytics had a store of its own once
        mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or str(folder / "mlflow"))
    experiment = mlflow.set_experiment(told.belonging["MLFLOW_EXPERIMENT_NAME"])
    of_verdict = f"tags.verdict = '{told.identity}'"
    found: Any = mlflow.search_runs([experiment.experiment_id], of_verdict, max_results=1, output_format="list")
    with mlflow.start_run(found[0].info.run_id if found else None, run_name=_NAME):
        mlflow.set_tags(told.marks | {"mlflow.note.content": told.verdict.reason})
        mlflow.log_metrics(told.metrics)
        for path in told.files:
            mlflow.log_artifact(str(path))


def _tell_wandb(told: _Told) -> None:
    wandb: Any = import_module("wandb")
    group, place = told.belonging["WANDB_RUN_GROUP"], str(told.study.path)
    names = {"project": "Ultralytics", "group": group, "job_type": _NAME, "name": _NAME}
    with wandb.init(**names, id=told.identity, resume="allow", dir=place) as run:
        run.summary.update(told.marks | told.metrics | {"reason": told.verdict.reason})
        files = wandb.Artifact(told.identity, _NAME)
        for path in told.files:
            files.add_file(str(path))
        run.log_artifact(files)


def _tell_tensorboard(told: _Told) -> None:
    from torch.utils.tensorboard import SummaryWriter

    before = list(told.study.events.glob("events.out.tfevents*"))
    with SummaryWriter(str(told.study.events)) as writer:
        writer.add_text(_NAME, f"**{told.verdict.title}** ({told.score}). {told.verdict.reason}")
        for name, value in told.metrics.items():
            if math.isfinite(value):
                writer.add_scalar(name, value)
    for path in before:
        path.unlink()


_TELL = {"mlflow": _tell_mlflow, "wandb": _tell_wandb, "tensorboard": _tell_tensorboard}

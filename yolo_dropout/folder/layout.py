"""Where a study keeps which file."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from yolo_dropout.errors import SpecError
from yolo_dropout.sites.plan import Dropout
from yolo_dropout.spec.study_spec import StudySpec

# Folders of runs: p0.10-s3 or weight-decay-x10-s3, or p0.10-s3-f0 in a cross-validation.
_RATE, _NAMED, _BLOCK = r"p(0\.\d+(e-\d+)?|\d(\.\d+)?e-\d+)", r"[a-z0-9]+(-[a-z0-9]+)*", r"-s\d+(-f\d+)?"
RATE_RUN_NAME, RUN_NAME = re.compile(_RATE + _BLOCK), re.compile(f"({_RATE}|{_NAMED}){_BLOCK}")


class _Inside:
    """A path inside a folder, by its name there, with what it holds in words."""

    def __init__(self, name: str, holds: str) -> None:
        self._name, self.__doc__ = name, holds

    def __get__(self, folder: RunFolder | StudyFolder, _kind: type) -> Path:
        return folder.path / self._name


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run: Ultralytics' own files beside our `run.json` and `train.log`."""

    path: Path
    record = _Inside("run.json", "What the run was and how it ended; written last.")
    log = _Inside("train.log", "Everything that Ultralytics printed.")
    arguments = _Inside("args.yaml", "What it was trained with, as Ultralytics writes it.")
    shift = _Inside("shift.csv", "Its checkpoint under shift, as far as that was measured.")
    classes = _Inside("classes.csv", "Its best epoch by class, where the task has classes.")
    images = _Inside("images.csv", "Its checkpoint image by image, where that was asked for.")
    calibration = _Inside("calibration.json", "How well its checkpoint is calibrated, where that was asked for.")
    results = _Inside("results.csv", "The metrics by epoch, as Ultralytics writes them.")

    @property
    def checkpoint(self) -> Path | None:
        """Its `best.pt`, or `last.pt` where there is none."""
        weights = (self.path / "weights" / name for name in ("best.pt", "last.pt"))
        return next(filter(Path.is_file, weights), None)


@dataclass(frozen=True)
class StudyFolder:
    """The paths of one study. Everything outside `runs`, `folds` and `spec` is derived and can be rebuilt."""

    path: Path
    spec = _Inside("study.yaml", "What was asked, with versions.")
    prepare_log = _Inside("prepare.log", "What Ultralytics says before the first run.")
    shift_log = _Inside("shift.log", "What was printed as checkpoints were measured under shift.")
    lock = _Inside(".lock", "Held while a sweep works in this folder.")
    holder = _Inside(".lock.holder", "Who holds the lock, in words.")
    runs = _Inside("runs", "One folder per run.")
    folds = _Inside("folds", "The splits of a cross-validation, one data set per fold.")
    examples = _Inside("examples.json", "Images on which treatments differ, where they were asked for.")
    verdict = _Inside("verdict.json", "The verdict as JSON.")
    report = _Inside("report.html", "The study as one HTML page.")
    figures = _Inside("figures", "The pictures, PNG and SVG.")
    events = _Inside("verdict", "The verdict for TensorBoard, where that is on.")

    @classmethod
    def at(cls, words: str | Path, option: str = "--out") -> StudyFolder:
        """The folder that somebody has named, by its full path.

        Args:
            words: A path, in which `~` may stand for the home folder.
            option: What it was given as, for messages.

        Raises:
            SpecError: It is empty, which an unset variable makes it, or no path at all.
        """
        text = str(words)
        if not text.strip():
            raise SpecError(f"{option}: must name a folder, got {text!r}; is a variable unset?")
        try:
            text.encode()
            path = Path(text).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, nobody's `~name`, no UTF-8
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise SpecError(f"{option}: must name a folder, got {text[:200]!r} ({reason}); choose another") from error
        with suppress(OSError):  # a name that is too long, which is told where it is to be written
            if path.is_file():
                raise SpecError(f"{option}: must name a folder, got the file {path}; choose another")
        return cls(path)

    @property
    def run_folders(self) -> tuple[RunFolder, ...]:
        """The folders that are named as runs are, whatever they hold, in the order of their names."""
        names = sorted(self.runs.iterdir()) if self.runs.is_dir() else ()
        return tuple(RunFolder(path) for path in names if RUN_NAME.fullmatch(path.name))

    @property
    def has_ended_runs(self) -> bool:
        """Whether there is the record of a run, finished or failed."""
        return any(run.record.exists() for run in self.run_folders)

    def run(self, name: str) -> RunFolder:
        """The folder of the run `name`."""
        return RunFolder(self.runs / name)

    def table(self, name: str) -> Path:
        """`curves.csv`, `scores.csv`, `summary.csv`, `shift.csv`, `calibration.csv` and so on."""
        return self.path / f"{name}.csv"


def default_out(spec: StudySpec) -> Path:
    """`runs/dropout/MODEL-DATA`, from the names of both and from where, kind and schedule where these are not usual."""
    usual = Dropout()
    words = ((getattr(spec, name), getattr(usual, name)) for name in ("where", "kind", "schedule"))
    unusual = [word for word, default in words if word != default]
    name = "-".join([spec.model_name, spec.data_name, *unusual])
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip(".")[:200]
    return Path("runs") / "dropout" / name

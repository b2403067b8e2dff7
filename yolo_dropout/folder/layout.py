"""Where a study keeps which file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from yolo_dropout.errors import SpecError

# Folders of runs: p0.10-s3, or p0.10-s3-f0 in a cross-validation.
RUN_NAME = re.compile(r"p(0\.\d+(e-\d+)?|\d(\.\d+)?e-\d+)-s\d+(-f\d+)?")


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run: Ultralytics' own files beside our `run.json` and `train.log`."""

    path: Path

    @property
    def record(self) -> Path:
        """What the run was and how it ended; written last."""
        return self.path / "run.json"

    @property
    def log(self) -> Path:
        """Everything that Ultralytics printed."""
        return self.path / "train.log"

    @property
    def arguments(self) -> Path:
        """What it was trained with, as Ultralytics writes it."""
        return self.path / "args.yaml"

    @property
    def results(self) -> Path:
        """The metrics by epoch, as Ultralytics writes them."""
        return self.path / "results.csv"


@dataclass(frozen=True)
class StudyFolder:
    """The paths of one study. Everything outside `runs`, `folds` and `spec` is derived and can be rebuilt."""

    path: Path

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
            return cls(Path(text).expanduser().resolve())
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, nobody's `~name`, no UTF-8
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise SpecError(f"{option}: must name a folder, got {text[:200]!r} ({reason}); choose another") from error

    @property
    def spec(self) -> Path:
        """What was asked, with versions."""
        return self.path / "study.yaml"

    @property
    def prepare_log(self) -> Path:
        """What Ultralytics says before the first run."""
        return self.path / "prepare.log"

    @property
    def lock(self) -> Path:
        """Held while a sweep works in this folder."""
        return self.path / ".lock"

    @property
    def holder(self) -> Path:
        """Who holds the lock, in words."""
        return self.path / ".lock.holder"

    @property
    def runs(self) -> Path:
        """One folder per run."""
        return self.path / "runs"

    @property
    def run_folders(self) -> tuple[RunFolder, ...]:
        """The folders that are named as runs are, whatever they hold, in the order of their names."""
        names = sorted(self.runs.iterdir()) if self.runs.is_dir() else ()
        return tuple(RunFolder(path) for path in names if RUN_NAME.fullmatch(path.name))

    def run(self, name: str) -> RunFolder:
        """The folder of the run `name`."""
        return RunFolder(self.runs / name)

    @property
    def folds(self) -> Path:
        """The splits of a cross-validation, one data set per fold."""
        return self.path / "folds"

    @property
    def verdict(self) -> Path:
        """The verdict as JSON."""
        return self.path / "verdict.json"

    @property
    def report(self) -> Path:
        """The study as one HTML page."""
        return self.path / "report.html"

    @property
    def readings(self) -> Path:
        """What was read of the runs before; a cache that may be deleted at any time."""
        return self.path / ".cache" / "readings.npz"

    @property
    def figures(self) -> Path:
        """The pictures, PNG and SVG."""
        return self.path / "figures"

    def table(self, name: str) -> Path:
        """`curves.csv`, `scores.csv` or `summary.csv`."""
        return self.path / f"{name}.csv"

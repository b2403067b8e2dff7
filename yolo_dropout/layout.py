"""Where a study keeps which file."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from yolo_dropout.files import TEMPORARY


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
    def results(self) -> Path:
        """The metrics by epoch, as Ultralytics writes them."""
        return self.path / "results.csv"


@dataclass(frozen=True)
class StudyFolder:
    """The paths of one study. Everything outside `runs`, `folds` and `spec` is derived and can be rebuilt."""

    path: Path

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
    def runs(self) -> Path:
        """One folder per run."""
        return self.path / "runs"

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


def clear_leftovers(folder: StudyFolder) -> None:
    """Remove what crashes left of atomic writes: temporary files and folders beside those that we write."""
    for pattern in ("", "figures/", ".cache/", "runs/", "runs/*/"):
        for path in folder.path.glob(f"{pattern}.*{TEMPORARY}*"):
            with contextlib.suppress(OSError):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

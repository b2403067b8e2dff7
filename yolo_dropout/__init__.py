"""Does dropout help your YOLO on your data, at which rate, and how sure is that?

Everything is imported on first use: `import yolo_dropout` loads neither torch nor Ultralytics.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yolo_dropout.decision import Comparison, Verdict, decide
    from yolo_dropout.inference import predict_with_dropout
    from yolo_dropout.shift import measure_shift
    from yolo_dropout.sites import Dropout, Site, find_sites
    from yolo_dropout.spec.study_spec import StudySpec
    from yolo_dropout.spec.treatment import Treatment
    from yolo_dropout.study import Study, load_study, run_study
    from yolo_dropout.training import TrainedRun, train_with_dropout
    from yolo_dropout.training.your_own import apply_dropout, dropout_trainer, strip_dropout

__version__ = version("yolo-dropout")
__all__ = [
    "Comparison",
    "Dropout",
    "Site",
    "Study",
    "StudySpec",
    "TrainedRun",
    "Treatment",
    "Verdict",
    "apply_dropout",
    "decide",
    "dropout_trainer",
    "find_sites",
    "load_study",
    "measure_shift",
    "predict_with_dropout",
    "run_study",
    "strip_dropout",
    "train_with_dropout",
]
_HOMES = {
    "decision": ("Comparison", "Verdict", "decide"),
    "inference": ("predict_with_dropout",),
    "shift": ("measure_shift",),
    "sites": ("Dropout", "Site", "find_sites"),
    "spec.study_spec": ("StudySpec",),
    "spec.treatment": ("Treatment",),
    "study": ("Study", "load_study", "run_study"),
    "training": ("TrainedRun", "train_with_dropout"),
    "training.your_own": ("apply_dropout", "dropout_trainer", "strip_dropout"),
}


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

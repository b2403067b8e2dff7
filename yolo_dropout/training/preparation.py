"""Look at the model, the data set and the arguments once, before any training starts."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import patch

from yolo_dropout.base.text import no_such
from yolo_dropout.errors import SpecError
from yolo_dropout.sites.plan import Dropout
from yolo_dropout.training.data import Prepared, look_at_data
from yolo_dropout.training.models import branch_note, check_there, load_model, one_line


def prepare(  # noqa: PLR0917 - a spec's fields in their order
    model: Any,
    data: str,
    train_args: dict[str, Any],
    rates: Sequence[float],
    where: str = "head",
    kind: str = "auto",
    *,
    pooled: bool = False,
) -> Prepared:
    """Load model and data set once, warm the label cache, and find the sites.

    Arguments are those of `train_with_dropout`, and all rates of the study; `pooled` tells that train and val will be
    cut anew into folds.

    Raises:
        SpecError: A training argument is unknown or has a wrong value, or a rate, place or kind is not known.
        InputError: Model or data set are missing, cannot be downloaded, do not fit each other, or are empty.
        SiteError: A rate above 0 finds no site.
    """
    from yolo_dropout.sites import find_sites, network

    plans = [Dropout(rate, where, kind) for rate in rates]
    args = check_args(train_args)
    yolo = load_model(model)
    _check_fits(yolo, args)
    found = look_at_data(yolo, data, args, pooled=pooled)
    sites = find_sites(yolo, where, kind) if any(plan.rate > 0 for plan in plans) else ()
    told: dict[str, dict[str, None]] = {}  # branches by what is to be minded there
    for site in sites:
        for text in site.warnings:
            told.setdefault(text, {})[site.branch] = None
    return replace(
        found,
        model_name=Path(str(yolo.model_name or type(network(yolo)).__name__)).name,
        sites=tuple(site.name for site in sites),
        branch_note=branch_note(yolo, nms=args.nms),
        versions=versions(),
        notes=(*found.notes, *(f"{' and '.join(told[text])}: {text}" for text in told)),
    )


def _check_fits(yolo: Any, args: Any) -> None:
    """What Ultralytics would refuse run by run: models that are not there, and nothing left to train."""
    from yolo_dropout.sites import network

    for field in ("pretrained", "distill_model"):
        if isinstance(name := getattr(args, field), str):
            check_there(name, field)
    layers, freeze = len(network(yolo).model), args.freeze
    if set(range(freeze) if isinstance(freeze, int) else freeze or ()) >= set(range(layers)):
        raise SpecError(f"freeze: leaves nothing to train of this model's {layers} layers, got {freeze}; use fewer")


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = ("yolo-dropout", "ultralytics", "torch", "torchvision", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def refuse_untaken(train_args: Mapping[str, Any]) -> None:
    """Raise a `SpecError` for what `YOLO.train` takes and a training with our trainer does not."""
    if isinstance(data := train_args.get("data"), (list, tuple)):
        raise SpecError(f"data: must be one data set, got {len(data)}; train once for each")


def check_args(train_args: dict[str, Any]) -> Any:
    """Training arguments with Ultralytics' defaults beside them; a `SpecError` for one unknown, or of a wrong value."""
    args = with_defaults(train_args)
    with _told_in_one_line():
        _check_late(args)
    return args


def with_defaults(train_args: Mapping[str, Any]) -> Any:
    """Training arguments with Ultralytics' defaults beside them; see `check_args`, which looks at more values."""
    from ultralytics.cfg import DEFAULT_CFG, get_cfg

    refuse_untaken(train_args)
    with _told_in_one_line():
        return get_cfg(DEFAULT_CFG, dict(train_args))


# What `train_with_dropout` takes beside them.
_OURS = ("where", "kind", "schedule", "select")


@contextmanager
def _told_in_one_line() -> Iterator[None]:
    from ultralytics.cfg import DEFAULT_CFG_DICT
    from ultralytics.utils import LOGGER

    try:
        with patch.object(LOGGER, "disabled", True):  # it prints its whole command-line help on an unknown name
            yield
    except (SyntaxError, TypeError, ValueError, NotImplementedError) as error:
        told = one_line(error)
        unknown = re.match(r"'(\w+)' is not a valid YOLO argument", told)
        raise SpecError(
            no_such(unknown[1], [*DEFAULT_CFG_DICT, *_OURS]) if unknown else f"train arguments: {told}"
        ) from error


def _check_late(args: Any) -> None:
    """What Ultralytics itself would refuse only in the middle of a training."""
    from torch import nn
    from ultralytics.engine.trainer import BaseTrainer
    from ultralytics.utils.checks import check_imgsz
    from ultralytics.utils.torch_utils import select_device

    args.imgsz = check_imgsz(args.imgsz, max_dim=1)  # one number of whatever it was: what a data set is built with
    device = select_device(args.device or "cpu", verbose=False)
    if str(args.device).startswith("mps") and device.type != "mps":  # which Ultralytics would train on a CPU
        raise ValueError(f"device={args.device} is not available here. Leave it out.")
    if str(args.optimizer).lower() != "auto":
        trainer = BaseTrainer.__new__(BaseTrainer)
        trainer.args = args
        # A network with a last layer, where MuSGD looks for a head.
        trainer.build_optimizer(nn.ModuleDict({"model": nn.Sequential(nn.Linear(1, 1))}), name=args.optimizer)

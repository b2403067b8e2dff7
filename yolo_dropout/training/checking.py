"""Where dropout acts in a model: stock Ultralytics' `dropout=`, and ours. Measured, site by site."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

# So high that equal masks in all passes are out of the question.
_RATE = 0.5


@dataclass(frozen=True)
class CheckRow:
    """One site of a model.

    Attributes:
        module: Its name in the network.
        branch: `cls`, `box`, ... in the head, else `neck` or `backbone`.
        channels: Of what is dropped; None where the module does not tell.
        stock_acts: Whether stock Ultralytics makes this module random in training, given `dropout=0.5`.
        ours_acts: Whether ours does.
        warning: What to mind there; None where there is nothing.
    """

    module: str
    branch: str
    channels: int | None
    stock_acts: bool
    ours_acts: bool
    warning: str | None


def check_model(model: Any, where: str = "head", kind: str = "auto") -> list[CheckRow]:
    """Where dropout would act in a model: a row for every site, in the order of the network.

    The model may be a path, a name, or a `YOLO` object, and is not changed; for places and kinds see `find_sites`.

    Raises:
        InputError: The model cannot be loaded.
        SpecError: `where` or `kind` is not known.
        SiteError: The model has no such site.
    """
    from yolo_dropout.sites import apply_dropout, network
    from yolo_dropout.training.models import load_model
    from yolo_dropout.training.proof import random_modules

    yolo = load_model(model)
    ours = deepcopy(network(yolo))
    sites = apply_dropout(ours, _RATE, where, kind)
    names = [site.name for site in sites]
    stock, acting = (random_modules(net, names) for net in (stock_network(yolo, _RATE), ours))
    return [
        CheckRow(s.name, s.branch, s.channels, s.name in stock, s.name in acting, "; ".join(s.warnings) or None)
        for s in sites
    ]


def stock_network(yolo: Any, rate: float) -> Any:
    """The network that stock Ultralytics would train with `dropout=rate`, built by its own trainer.

    Only the architecture of a loaded model is used: the new network has random weights.
    """
    from ultralytics.cfg import get_cfg

    from yolo_dropout.sites import network

    config = network(yolo).yaml
    classes = int(config["nc"])
    cls = yolo.task_map[yolo.task]["trainer"]
    trainer = cls.__new__(cls)  # its constructor would look for a data set
    trainer.args = get_cfg(overrides={"dropout": rate, "task": yolo.task})
    trainer.resume, trainer.callbacks = False, defaultdict(list)
    trainer.data = {
        "nc": classes,
        "names": dict(enumerate(map(str, range(classes)))),
        "channels": int(config.get("channels", 3)),
        "kpt_shape": config.get("kpt_shape"),
    }
    return trainer.get_model(cfg=config, weights=None, verbose=False)

"""Where dropout acts in a model: stock Ultralytics' `dropout=`, and ours. Measured, site by site."""

from __future__ import annotations

from collections import defaultdict
from copy import deepcopy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yolo_dropout.sites import Site

# So high that equal masks in all passes are out of the question.
_RATE = 0.5


def check_model(model: Any, where: str = "head", kind: str = "auto") -> list[tuple[Site, bool, bool]]:
    """Where dropout would act in a model, a path, a name, or a `YOLO` object, which is not changed; see `find_sites`.

    Returns:
        Every site in the order of the network; whether stock Ultralytics makes it random in training, given
        `dropout=0.5`; and whether ours does.

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
    return [(site, site.name in stock, site.name in acting) for site in sites]


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

"""Put dropout into a model and take it out again, without a trace in its weights.

A Conv gets `act = Sequential(act, dropout)`: no parameter moves, so every state-dict key stays. The activation object
itself is shared by all Convs of a network and is never changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn
from torchvision.ops import StochasticDepth
from ultralytics.nn.modules import Conv

from yolo_dropout.sites.dropblock import DropBlock
from yolo_dropout.sites.finding import find_sites
from yolo_dropout.sites.plan import check_rate
from yolo_dropout.sites.site import Site, network

# Where a native module's own rate is kept while ours acts.
_OWN_RATE = "_rate_before_dropout"
_OURS = (nn.Dropout, nn.Dropout2d, DropBlock, StochasticDepth)


def apply_dropout(model: Any, rate: float, where: str = "head", kind: str = "auto") -> tuple[Site, ...]:
    """Make dropout act in a model, in place. Earlier dropout of ours is taken out first.

    Args:
        model: A `YOLO` object or an Ultralytics network.
        rate: Drop probability in [0, 1). 0.0 takes dropout out.
        where: See `find_sites`.
        kind: See `find_sites`.

    Returns:
        The sites where it now acts; empty at rate 0.0.

    Raises:
        SpecError: An argument breaks its rule.
        SiteError: The model has no such site.
    """
    rate = check_rate(rate)
    net = network(model)
    strip_dropout(net)
    if rate == 0:
        return ()
    sites = find_sites(net, where, kind)
    for site in sites:
        module = net.get_submodule(site.name)
        if isinstance(module, Conv):
            module.act = nn.Sequential(module.act, _dropout(site.kind, rate)).train(module.training)
        else:
            setattr(module, _OWN_RATE, _get(module))
    set_rate(net, sites, rate)
    return sites


def strip_dropout(model: Any) -> None:
    """Take out what `apply_dropout` put in, in place: the model is stock again.

    Args:
        model: A `YOLO` object or a network.
    """
    for module in network(model).modules():
        if _wrapped(module):
            module.act = module.act[0]
        elif _OWN_RATE in vars(module):
            _set(module, vars(module).pop(_OWN_RATE))


def set_rate(net: nn.Module, sites: Iterable[Site], rate: float) -> None:
    """Set the rate at sites where dropout was applied.

    Args:
        net: The network that `apply_dropout` was called on.
        sites: What it returned.
        rate: Drop probability in [0, 1); 0.0 lets everything through and keeps the sites.
    """
    for site in sites:
        _set(_holder(net, site.name), rate)


def live_rates(net: nn.Module, sites: Iterable[Site]) -> dict[str, float]:
    """The rates that the modules of a network really hold, by site name."""
    return {site.name: _get(_holder(net, site.name)) for site in sites}


def _dropout(kind: str, rate: float) -> nn.Module:
    if kind == "dropblock":
        return DropBlock(rate)
    if kind == "drop_path":
        return StochasticDepth(rate, mode="row")
    return nn.Dropout(rate) if kind == "dropout" else nn.Dropout2d(rate)


def _wrapped(module: nn.Module) -> bool:
    act = getattr(module, "act", None) if isinstance(module, Conv) else None
    return isinstance(act, nn.Sequential) and len(act) == 2 and isinstance(act[1], _OURS)


def _holder(net: nn.Module, name: str) -> nn.Module:
    module = net.get_submodule(name)
    return module.act[1] if _wrapped(module) else module


def _get(module: nn.Module) -> float:
    return float(module.dropout if isinstance(module, nn.MultiheadAttention) else module.p)


def _set(module: nn.Module, rate: float) -> None:
    setattr(module, "dropout" if isinstance(module, nn.MultiheadAttention) else "p", rate)

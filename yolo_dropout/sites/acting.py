"""Put dropout into a model and take it out again, without a trace in its weights.

A Conv gets `act = Sequential(act, dropout)`: no parameter moves, so every state-dict key stays. The activation object
itself is shared by all Convs of a network and is never changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torchvision.ops import DropBlock2d, StochasticDepth, drop_block2d
from ultralytics.nn.modules import Conv

from yolo_dropout.sites.finding import Site, find_sites, network
from yolo_dropout.sites.plan import check_rate

BLOCK = 3  # as PP-YOLO (arXiv 2007.12099); larger blocks would cover a whole map of the coarsest level


class DropBlock(DropBlock2d):  # type: ignore[misc]
    """torchvision's DropBlock2d with the block clamped to the feature map and to an odd size.

    torchvision raises on an even block, and takes the smaller side of the map as the block when that is smaller: a
    2 x 2 map fails. Reference: Ghiasi et al., arXiv 1810.12890.
    """

    def __init__(self, p: float) -> None:
        super().__init__(p, BLOCK)

    def forward(self, x: Tensor) -> Tensor:
        """Drop blocks of a feature map, shape (n, channels, height, width), in training."""
        block = min(self.block_size, x.shape[-1], x.shape[-2])
        return drop_block2d(x, self.p, block - (block + 1) % 2, self.inplace, self.eps, self.training)


# Where a native module's own rate is kept while ours acts.
_OWN_RATE = "_rate_before_dropout"
_OURS = (nn.Dropout, nn.Dropout2d, DropBlock, StochasticDepth)


def apply_dropout(model: Any, rate: float, where: str = "head", kind: str = "auto") -> tuple[Site, ...]:
    """Make dropout act in a network, or that of a `YOLO` object, in place; see `training.your_own`."""
    rate = check_rate(rate)
    net = network(model)
    strip_dropout(model)
    if rate == 0:
        return ()
    sites = find_sites(net, where, kind)
    for site in sites:
        module = net.get_submodule(site.name)
        if isinstance(module, Conv):
            module.act = nn.Sequential(module.act, _dropout(site.kind, rate)).train(module.training)
        else:
            setattr(module, _OWN_RATE, getattr(module, _rate_name(module)))
    set_rate(net, sites, rate)
    return sites


def strip_dropout(model: Any) -> None:
    """Take out what `apply_dropout` put in, in place; see `training.your_own`."""
    for module in network(model).modules():
        if _wrapped(module):
            module.act = module.act[0]
        elif _OWN_RATE in vars(module):
            setattr(module, _rate_name(module), vars(module).pop(_OWN_RATE))


def set_rate(net: nn.Module, sites: Iterable[Site], rate: float) -> None:
    """Set the rate in [0, 1) at sites where dropout was applied; 0.0 lets everything through and keeps the sites."""
    for site in sites:
        module = acting_module(net, site)
        setattr(module, _rate_name(module), rate)


def live_rates(net: nn.Module, sites: Iterable[Site]) -> dict[str, float]:
    """The rates that the modules of a network really hold, by site name."""
    held = {site.name: acting_module(net, site) for site in sites}
    return {name: float(getattr(module, _rate_name(module))) for name, module in held.items()}


def _dropout(kind: str, rate: float) -> nn.Module:
    if kind == "drop_path":
        return StochasticDepth(rate, mode="row")
    return {"dropblock": DropBlock, "dropout": nn.Dropout, "dropout2d": nn.Dropout2d}[kind](rate)


def _wrapped(module: nn.Module) -> bool:
    act = getattr(module, "act", None) if isinstance(module, Conv) else None
    return isinstance(act, nn.Sequential) and len(act) == 2 and isinstance(act[1], _OURS)


def acting_module(net: nn.Module, site: Site) -> nn.Module:
    """The module of a network that draws at a site where dropout was applied."""
    module = net.get_submodule(site.name)
    return module.act[1] if _wrapped(module) else module


def _rate_name(module: nn.Module) -> str:
    return "dropout" if isinstance(module, nn.MultiheadAttention) else "p"

"""Find the places in a model where dropout can act, put it there, and take it out again.

`plan` is free of torch, so that a spec can be checked without it; the rest is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from yolo_dropout.sites.plan import KINDS, PLACES, DropoutPlan

if TYPE_CHECKING:
    from yolo_dropout.sites.acting import apply_dropout, live_rates, set_rate, strip_dropout
    from yolo_dropout.sites.finding import find_sites
    from yolo_dropout.sites.site import Site, network

__all__ = [
    "KINDS",
    "PLACES",
    "DropoutPlan",
    "Site",
    "apply_dropout",
    "find_sites",
    "live_rates",
    "network",
    "set_rate",
    "strip_dropout",
]

_HOMES = {
    "Site": "site",
    "apply_dropout": "acting",
    "find_sites": "finding",
    "live_rates": "acting",
    "network": "site",
    "set_rate": "acting",
    "strip_dropout": "acting",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

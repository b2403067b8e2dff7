"""Find the places in a model where dropout can act, put it there, and take it out again.

`plan` is free of torch, so that a spec can be checked without it; the rest is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from yolo_dropout.sites.plan import Dropout

if TYPE_CHECKING:
    from yolo_dropout.sites.acting import acting_module, apply_dropout, live_rates, set_rate, strip_dropout
    from yolo_dropout.sites.finding import Site, find_sites, network

__all__ = [
    "Dropout",
    "Site",
    "acting_module",
    "apply_dropout",
    "find_sites",
    "live_rates",
    "network",
    "set_rate",
    "strip_dropout",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.acting"), name)  # which has what `finding` offers too

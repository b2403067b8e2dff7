"""Masks of dropout from a stream of their own, so that all else a training draws is what the control draws.

torch's augmentations of a classifier, and the denoising queries of RT-DETR, draw from the stream that dropout on a CPU
draws from too. A rate above 0 would then train on other crops than the control of its seed, and a difference between
them would be that of the crops. On a GPU masks come from the GPU's own stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from yolo_dropout.sites import Site, acting_module

# Far from the seeds of a study, with which Ultralytics seeds all the rest.
_FIRST_SEED = 1_000_003


class MaskStream:
    """The stream of random numbers of all masks of one training.

    Args:
        seed: Of the training; the masks of two rates are drawn from equal streams.
    """

    def __init__(self, seed: int) -> None:
        self._own = torch.Generator().manual_seed(_FIRST_SEED + seed).get_state()
        self._rest = self._own

    def feed(self, net: nn.Module, sites: Iterable[Site]) -> None:
        """Let the dropout at some sites draw from this stream while the network trains.

        Args:
            net: A network on the CPU where dropout was applied, and which is not pickled any more.
            sites: What `apply_dropout` returned.
        """
        for site in sites:
            module = acting_module(net, site)
            module.register_forward_pre_hook(self._enter)
            module.register_forward_hook(self._leave, always_call=True)

    def _enter(self, module: nn.Module, _args: Any) -> None:
        if module.training:
            self._rest = torch.get_rng_state()
            torch.set_rng_state(self._own)

    def _leave(self, module: nn.Module, _args: Any, _output: Any) -> None:
        if module.training:
            self._own = torch.get_rng_state()
            torch.set_rng_state(self._rest)

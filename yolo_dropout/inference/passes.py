"""The spread by real passes of the network: for dropout anywhere, at the price of as many passes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from ultralytics.nn.modules import RTDETRDecoder

from yolo_dropout.errors import SiteError
from yolo_dropout.inference.asked import Asked, Spread, more_of, of_probabilities
from yolo_dropout.inference.head import of_distributions
from yolo_dropout.sites import Site, acting_module, apply_dropout

FEW_PASSES = 20


class PassesSpread:
    """Runs a network again and again with dropout; put into a network that nobody else uses.

    Args:
        net: A fused Ultralytics network.
        sites: Where dropout acts.
        asked: Rate, samples and seed; without samples there are `FEW_PASSES` passes.
    """

    def __init__(self, net: Any, sites: Sequence[Site], asked: Asked) -> None:
        self._net, self._head, self._seed = net, net.model[-1], asked.seed
        self.real_passes = asked.samples or FEW_PASSES
        dropout = replace(asked.dropout, schedule="constant")
        apply_dropout(net, dropout.rate, dropout.where, dropout.kind)
        self._modules = [acting_module(net, site) for site in sites]
        self._names = [site.name for site in sites]
        if isinstance(self._head, RTDETRDecoder):  # every pass decodes the queries that the plain one chose
            self._chosen: Tensor | None = None
            self._head.enc_score_head.register_forward_hook(self._keep_queries)

    def _keep_queries(self, _: Any, __: Any, scores: Tensor) -> Tensor | None:
        if any(module.training for module in self._modules):
            return self._chosen
        self._chosen = scores
        return None

    def look(self, image: Tensor, raw: Any) -> None:
        """Run the passes of a batch, shape (images, channels, height, width), whose plain pass gave `raw`."""
        plain = self._decoded(raw)
        with self._drawing(image.device):
            self._draws = torch.stack([self._decoded(self._net(image)) for _ in range(self.real_passes)])
        if (self._draws == plain).all():
            raise SiteError(f"dropout: {self.real_passes} passes with it at {self._names[0]} … made no spread at all")

    @contextlib.contextmanager
    def _drawing(self, device: torch.device) -> Iterator[None]:
        """Only the dropout draws, and the same for every batch; the random numbers of the process stay as they were."""
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(self._seed)
            for module in self._modules:
                module.training = True
            try:
                yield
            finally:
                for module in self._modules:
                    module.training = False

    def _decoded(self, raw: Any) -> Tensor:
        """Box (left, top, right, bottom), scores and more of every anchor, shape (images, numbers, anchors)."""
        if isinstance(self._head, RTDETRDecoder):
            boxes, scores = raw[1][0][-1], raw[1][1][-1].sigmoid()
            found = torch.cat([boxes, scores], -1).transpose(1, 2)
        elif not hasattr(self._head, "one2many"):
            return raw[0]  # a classifier's probabilities
        else:
            found = raw[0][0] if isinstance(raw[0], tuple) else raw[0]
            if self._head.end2end:
                found = self._head._inference(raw[1]["one2one"])
                if not hasattr(self._head, "ne"):
                    return found
        x, y, w, h = found[:, :4].unbind(1)
        return torch.cat([torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 1), found[:, 4:]], 1)

    def of(self, image: int, anchors: Tensor | None = None, classes: Tensor | None = None) -> Any:
        """The spread of boxes of an image, by anchors and classes of shape (n,), or of its probabilities."""
        if anchors is None or classes is None:
            return of_distributions(self._draws[:, image])
        draws = self._draws[:, image][:, :, anchors].transpose(1, 2).float()
        nc = self._head.nc
        score = draws[:, torch.arange(len(anchors), device=anchors.device), 4 + classes]
        more = draws[..., 4 + nc :]
        others = more_of(self._head, more.mean(0), more.std(0)) if more.numel() else {}
        return Spread(*of_probabilities(score), draws[..., :4].std(0), others)

    def anchors(self, image: int, scores: Tensor, classes: Tensor, raw: Any) -> Tensor:
        """Which query of an RT-DETR made a box, by its score and class, each of shape (n,)."""
        held = raw[1][1][-1][image].sigmoid()[:, classes]
        return (held - scores).abs().argmin(0)

"""The spread that dropout right before a head's last weights makes, from the one pass that was run anyway.

All before those weights is the same for every mask: the input z of the last 1x1 convolution, at the anchor of a box,
tells all. A logit w z + b gets, under masks that drop each channel with probability p and scale the others by
1 / (1 - p), the variance p / (1 - p) * sum of (w z)^2: a closed form. Samples draw masks for these few z, and not for
the network. Reference: Gal and Ghahramani 2016 (arXiv 1506.02142) for what is approximated.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import pi
from typing import Any

import torch
from torch import Tensor, nn
from ultralytics.nn.modules import Classify, Detect
from ultralytics.nn.modules.head import OBB26, Pose26, WorldDetect, YOLOEDetect

from yolo_dropout.errors import SiteError
from yolo_dropout.inference.asked import Asked, Spread, more_of, of_normal_logits, of_probabilities
from yolo_dropout.sites import Site
from yolo_dropout.sites.heads import branch_convs

_MORE = ("mask_head", "angle_head", "kpts_head", "pose_head")


def lies_at_the_end(net: Any, sites: Sequence[Site]) -> bool:
    """Whether all sites come right before the last weights of a head, and drop channel by channel."""
    head, prefix = net.model[-1], f"model.{len(net.model) - 1}"
    if isinstance(head, Classify):
        return [site.name for site in sites] == [f"{prefix}.drop"]
    if not isinstance(head, Detect) or isinstance(head, (WorldDetect, YOLOEDetect)):
        return False
    ends = set(branch_convs(head, prefix))
    return all(site.name in ends and site.kind in ("dropout", "dropout2d") for site in sites)


class Last:
    """The last convolution of a branch at one level, whose input it remembers.

    Attributes:
        rate: Of the dropout before it; 0.0 where there is none.
        z: Its input in the last pass, shape (images, channels, height, width).
    """

    def __init__(self, conv: Any, site: Site | None, asked: Asked, rng: torch.Generator) -> None:
        self.rate, self.site, self.z = asked.dropout.rate if site else 0.0, site, torch.empty(0)
        # The same masks for every image: as many thinned networks, whose answers do not depend on order or batch.
        shape = (asked.samples or 0, conv.in_channels)
        kept = torch.bernoulli(torch.full(shape, 1 - self.rate), generator=rng) / (1 - self.rate)
        self._masks, self._weights = kept.to(conv.weight.device), conv.weight[:, :, 0, 0].float()
        self._bias = torch.zeros(len(self._weights), device=kept.device) if conv.bias is None else conv.bias.float()
        conv.register_forward_pre_hook(self._remember)

    def _remember(self, _: Any, inputs: tuple[Tensor, ...]) -> None:
        self.z = inputs[0]

    def at(self, image: int, places: Tensor) -> Tensor:
        """The input at some places of the map, shape (places, channels)."""
        return self.z[image].flatten(1)[:, places].T.float()

    def score(self, z: Tensor, classes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, standard deviation and mutual information of the score of one class for each row of z."""
        bias = self._bias[classes]
        terms = z * self._weights[classes]
        if len(self._masks):
            logits = self._masks @ terms.T + bias
            self._check(logits != logits[:1])
            return of_probabilities(logits.sigmoid())
        sd = ((terms**2).sum(1) * self.rate / (1 - self.rate)).sqrt()
        self._check(sd)
        return of_normal_logits(terms.sum(1) + bias, sd)

    def values(self, z: Tensor, bins: int = 1) -> tuple[Tensor, Tensor]:
        """The outputs and their standard deviations, each of shape (n, outputs / bins).

        Args:
            z: Shape (n, channels).
            bins: An output is the mean place among so many of a softmax (distribution focal loss). Its spread in closed
                form is then that of first order; otherwise exact.
        """
        places = torch.arange(bins, device=z.device, dtype=z.dtype)

        def expected(logits: Tensor) -> Tensor:
            return (logits.unflatten(-1, (-1, bins)).softmax(-1) * places).sum(-1) if bins > 1 else logits

        logits = z @ self._weights.T + self._bias
        value = expected(logits)
        if len(self._masks):
            drawn = (self._masks[:, None] * z) @ self._weights.T + self._bias
            self._check(drawn != drawn[:1])
            return value, expected(drawn).std(0)
        slope = self._weights.unflatten(0, (-1, bins)).expand(len(z), -1, -1, -1)  # (n, outputs, bins, channels)
        if bins > 1:
            share = logits.unflatten(-1, (-1, bins)).softmax(-1)
            slope = (share * (places - value[..., None]))[:, :, None] @ slope
        terms = slope[:, :, 0] * z[:, None]
        sd = ((terms**2).sum(-1) * self.rate / (1 - self.rate)).sqrt()
        self._check(sd)
        return value, sd

    def _check(self, spread: Tensor) -> None:
        if self.site and spread.numel() and not spread.any():
            few = "; take more samples, or samples=None" if len(self._masks) else ""
            raise SiteError(f"dropout: {self.rate:g} at {self.site.name} made no spread at all{few}")


class HeadSpread:
    """Reads the spread of a detector's boxes off its head; put into a network that nobody else uses.

    Args:
        net: A fused Ultralytics network.
        sites: Where dropout acts, all at the end of the head.
        asked: Rate, samples and seed.
    """

    real_passes = 0

    def __init__(self, net: Any, sites: Sequence[Site], asked: Asked) -> None:
        self._head: Any = net.model[-1]
        found = {(site.branch if site.branch in ("box", "cls") else "more", _level(site)): site for site in sites}
        parts = self._head.one2one if self._head.end2end else self._head.one2many
        more = next((parts[name] for name in _MORE if name in parts), ())
        rng = torch.Generator().manual_seed(asked.seed)
        self._lasts: dict[str, list[Last]] = {
            branch: [Last(_last(m), found.get((branch, level)), asked, rng) for level, m in enumerate(modules)]
            for branch, modules in (("box", parts["box_head"]), ("cls", parts["cls_head"]), ("more", more))
        }

    def look(self, image: Any, raw: Any) -> None:
        """Nothing more to do for a batch: its pass has been seen."""

    def of(self, image: int, anchors: Tensor, classes: Tensor) -> Spread:
        """The spread of boxes of an image of the batch, by their anchors and classes, each of shape (n,)."""
        ends = list(accumulate(last.z[0, 0].numel() for last in self._lasts["cls"]))
        levels = torch.bucketize(anchors, torch.tensor(ends, device=anchors.device), right=True)
        rows, parts = list[Tensor](), list[tuple[Tensor, ...]]()
        for level in levels.unique().tolist():
            chosen = (levels == level).nonzero()[:, 0]
            rows.append(chosen)
            places = anchors[chosen] - (ends[level - 1] if level else 0)
            parts.append(self._at_level(level, image, places, classes[chosen]))
        order = torch.cat(rows).argsort()
        conf, sd, info, sides, more, more_sd = (torch.cat(part)[order] for part in zip(*parts, strict=True))
        return Spread(conf, sd, info, sides, more_of(self._head, more, more_sd))

    def _at_level(self, level: int, image: int, places: Tensor, classes: Tensor) -> tuple[Tensor, ...]:
        head, stride = self._head, float(self._head.stride[level])
        box, cls = self._lasts["box"][level], self._lasts["cls"][level]
        sides = box.values(box.at(image, places), head.reg_max)[1] * stride
        more = more_sd = torch.empty(len(places), 0, device=places.device)
        if self._lasts["more"]:
            last = self._lasts["more"][level]
            more, more_sd = last.values(last.at(image, places))
            if hasattr(head, "kpt_shape"):
                more_sd = more_sd * stride * (1 if isinstance(head, Pose26) else 2)
            elif hasattr(head, "ne") and not isinstance(head, OBB26):
                share = more.sigmoid()
                more_sd = more_sd * share * (1 - share) * pi
        return *cls.score(cls.at(image, places), classes), sides, more, more_sd


class ClassifierSpread:
    """Reads the spread of a classifier's probabilities off its last layer."""

    real_passes = 0

    def __init__(self, net: Any, sites: Sequence[Site], asked: Asked) -> None:
        self._linear, self._site = net.model[-1].linear, sites[0]
        rng = torch.Generator().manual_seed(asked.seed)
        self._rate, shape = asked.dropout.rate, (asked.samples or 0, self._linear.in_features)
        self._masks = torch.bernoulli(torch.full(shape, 1 - self._rate), generator=rng) / (1 - self._rate)
        self._linear.register_forward_pre_hook(self._remember)

    def _remember(self, _: Any, inputs: tuple[Tensor, ...]) -> None:
        self._z = inputs[0].float()

    def look(self, image: Any, raw: Any) -> None:
        """Nothing more to do for a batch: its pass has been seen."""

    def of(self, image: int) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and variance of the probabilities, shape (classes,), and their mutual information in nats.

        The closed form is that of first order; so is its information, half the sum of variance over probability.
        """
        z, weights, bias = self._z[image], self._linear.weight.float(), self._linear.bias.float()
        if len(self._masks):
            found = of_distributions(nn.functional.linear(self._masks.to(z.device) * z, weights, bias).softmax(1))
        else:
            p = nn.functional.linear(z, weights, bias).softmax(0)
            mean, square = p @ weights, z**2
            spread = (weights**2) @ square - 2 * weights @ (mean * square) + (mean**2) @ square
            variance = p**2 * spread.clamp(min=0) * self._rate / (1 - self._rate)
            found = p, variance, (variance / p.clamp(min=1e-12)).sum() / 2
        if not found[1].any():
            raise SiteError(f"dropout: {self._rate:g} at {self._site.name} made no spread at all")
        return found


def of_distributions(p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, variance and mutual information of drawn distributions, shape (draws, classes)."""
    mean = p.mean(0)
    return mean, p.var(0), (entropy(mean) - entropy(p).mean()).clamp(min=0)


def entropy(p: Tensor) -> Tensor:
    """Entropy in nats of distributions, along the last axis."""
    return torch.special.entr(p).sum(-1)


def _last(module: Any) -> Any:
    return module[-1] if isinstance(module, nn.Sequential) else module


def _level(site: Site) -> int:
    return int(site.name.split(".")[3])  # such as model.23.one2one_cv3.0.1.1

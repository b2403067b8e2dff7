"""A place in a model where dropout can act, and how to look into a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from yolo_dropout.errors import SiteError

# Below this many channels one draw of channel dropout takes a large part of the branch away.
FEW_CHANNELS = 32


@dataclass(frozen=True)
class Site:
    """One place where dropout acts.

    Attributes:
        name: Name of the module in the model: a Conv (dropout follows its activation), a native `nn.Dropout`, or
            an `nn.MultiheadAttention`.
        kind: `native`, `dropout`, `dropout2d`, `dropblock` or `drop_path`.
        branch: `cls`, `box`, `mask`, ... in the head, else `neck` or `backbone`.
        channels: Of the feature map or vector that is dropped; None where the module does not tell.
        before_norm: Whether a BatchNorm comes before the next activation: dropout then shifts the variance that it
            sees between training and inference (Li et al., arXiv 1801.05134).
    """

    name: str
    kind: str
    branch: str
    channels: int | None
    before_norm: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before trusting dropout here, in plain words without the site's name."""
        coarse = self.kind in ("dropout2d", "dropblock") and (self.channels or FEW_CHANNELS) < FEW_CHANNELS
        few = (f"only {self.channels} channels, so dropout is coarse",) if coarse else ()
        shifted = "a BatchNorm follows, and sees another variance in training than in validation"
        return (*few, shifted) if self.before_norm else few


def network(model: Any) -> nn.Module:
    """The network of a `YOLO` object, or the module itself; the student where it is distilled.

    Raises:
        SiteError: There are no weights in memory, as in an exported model.
    """
    net = model if isinstance(model, nn.Module) and not hasattr(model, "task_map") else getattr(model, "model", None)
    if not isinstance(net, nn.Module):
        raise SiteError(f"model: needs a network in memory (a .pt or .yaml model), got {type(net).__name__}")
    return getattr(net, "student_model", net)


@dataclass(frozen=True)
class Layer:
    """One entry of an Ultralytics model, as its YAML lists them.

    Attributes:
        name: Name in the network, such as `model.23`.
        part: `backbone`, `neck` or `head`.
        module: The module itself.
    """

    name: str
    part: str
    module: nn.Module


def layers(net: nn.Module) -> list[Layer]:
    """The layers of an Ultralytics network with their part.

    Raises:
        SiteError: The network was not built from an Ultralytics YAML.
    """
    modules, config = getattr(net, "model", None), getattr(net, "yaml", None)
    if not isinstance(modules, nn.Sequential) or not isinstance(config, dict) or "backbone" not in config:
        raise SiteError(f"model: must be an Ultralytics network built from a YAML, got {type(net).__name__}")
    border, last = len(config["backbone"]), len(modules) - 1
    parts = ["backbone" if i < border else "head" if i == last else "neck" for i in range(last + 1)]
    return [Layer(f"model.{i}", part, m) for i, (part, m) in enumerate(zip(parts, modules, strict=True))]

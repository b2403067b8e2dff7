"""Residual blocks: the Conv that ends the branch which a skip connection is added to."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from ultralytics.nn.modules import Bottleneck, Conv
from ultralytics.nn.modules.block import CIB, ABlock, PSABlock, ResNetBlock


def residual_ends(layer: nn.Module) -> Iterator[str]:
    """Names of the last Conv of every residual branch in a layer.

    Dropping such a Conv's output for a whole sample leaves the skip connection alone: stochastic depth
    (Huang et al. 2016). Blocks without a skip (`add=False`) have none.

    Args:
        layer: One entry of a network.

    Yields:
        Names inside the layer.
    """
    for name, block in layer.named_modules():
        for end in _ends(block):
            if isinstance(block.get_submodule(end), Conv):
                yield ".".join(filter(None, [name, end]))


def _ends(block: nn.Module) -> tuple[str, ...]:
    if isinstance(block, Bottleneck) and block.add:
        return ("cv2",)
    if isinstance(block, CIB) and block.add:
        return ("cv1.4",)
    if isinstance(block, PSABlock) and block.add:
        return ("attn.proj", "ffn.1")
    if isinstance(block, ABlock):
        return ("attn.proj", "mlp.1")
    if isinstance(block, ResNetBlock):
        return ("cv3",)
    return ()

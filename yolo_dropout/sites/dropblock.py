"""DropBlock at every feature map size."""

from __future__ import annotations

from torch import Tensor
from torchvision.ops import DropBlock2d, drop_block2d

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

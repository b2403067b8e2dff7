"""Masks of dropout from a stream of their own, so that the rest of a training draws what the control draws.

torch's augmentations of a classifier draw from the stream that dropout on a CPU draws from too. A rate above 0 would
then train on other crops than the control of its seed, and a difference between them would be that of the crops. On a
GPU masks come from the GPU's own stream.
"""

from __future__ import annotations

import torch

# Far from the seeds of a study, with which Ultralytics seeds all the rest.
_FIRST_SEED = 1_000_003


class MaskStream:
    """Takes the place of torch's CPU stream during training steps, where masks are drawn and nothing is augmented.

    RT-DETR's denoising queries are drawn there too, and so are not those of the control. The masks of two rates are
    drawn from equal streams, which the seed of the training gives.
    """

    def __init__(self, seed: int) -> None:
        self._own = torch.Generator().manual_seed(_FIRST_SEED + seed).get_state()
        self._rest: torch.Tensor | None = None

    def enter(self) -> None:
        """Draw masks from here on."""
        if self._rest is None:
            self._rest = torch.get_rng_state()
            torch.set_rng_state(self._own)

    def leave(self) -> None:
        """Give torch its stream back as it was; without effect where it has it."""
        if self._rest is not None:
            self._own = torch.get_rng_state()
            torch.set_rng_state(self._rest)
            self._rest = None

"""What was asked of a prediction with dropout, checked, and what is known of each of its boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from yolo_dropout.errors import SpecError
from yolo_dropout.sites.plan import Dropout

# A logit that is a sum over many channels is nearly normal; its quadrature is exact to four digits with so many nodes.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(24)
_TINY = 1e-12


@dataclass(frozen=True)
class Asked:
    """Dropout for a prediction.

    Attributes:
        dropout: Rate above 0, place and kind; a schedule has no meaning here.
        samples: How many masks are drawn, at least 2; None for the closed form where there is one.
        seed: Of the masks.

    Raises:
        SpecError: A field breaks its rule.
    """

    dropout: Dropout
    samples: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dropout.rate == 0:
            raise SpecError("dropout: must be above 0 here, got 0; YOLO.predict is the prediction without dropout")
        for name, value, least in (("samples", self.samples, 2), ("seed", self.seed, 0)):
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= least
            if not whole and not (name == "samples" and value is None):
                raise SpecError(f"{name}: must be a whole number of at least {least}, got {value!r}")


class Spread(NamedTuple):
    """What dropout does to the n boxes of an image.

    Attributes:
        conf: Mean of the score of the box's class, shape (n,).
        conf_sd: Its standard deviation, shape (n,).
        mutual_info: Between score and mask, in nats, shape (n,).
        sides: Standard deviation of left, top, right and bottom, in pixels of the network's input, shape (n, 4).
        more: The same of what else a head predicts, by its column; `_px` in the name means such pixels, shape (n,).
    """

    conf: Tensor
    conf_sd: Tensor
    mutual_info: Tensor
    sides: Tensor
    more: dict[str, Tensor]


def of_probabilities(p: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, standard deviation and mutual information of scores that stand for yes or no.

    Args:
        p: Scores, shape (draws, n).
        weights: Of the draws, with sum 1; None for equal ones, of a sample.

    Returns:
        Three tensors of shape (n,); the information is the entropy of the mean less the mean of the entropies (Houlsby
        et al., arXiv 1112.5745), in nats.
    """
    w = torch.full((len(p), 1), 1 / len(p), device=p.device) if weights is None else weights[:, None]
    mean = (w * p).sum(0)
    bessel = len(p) / (len(p) - 1) if weights is None else 1.0
    sd = ((w * (p - mean) ** 2).sum(0) * bessel).sqrt()
    return mean, sd, (_entropy(mean) - (w * _entropy(p)).sum(0)).clamp(min=0)


def of_normal_logits(mean: Tensor, sd: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same where the logits are normal, with means and standard deviations of shape (n,)."""
    nodes, weights = (torch.as_tensor(x, dtype=mean.dtype, device=mean.device) for x in (_NODES, _WEIGHTS))
    return of_probabilities((mean + nodes[:, None] * sd).sigmoid(), weights / weights.sum())


def _entropy(p: Tensor) -> Tensor:
    return -(p * (p + _TINY).log() + (1 - p) * (1 - p + _TINY).log())


def more_of(head: Any, values: Tensor, sd: Tensor) -> dict[str, Tensor]:
    """What a head predicts beside box and score, as a column.

    Args:
        head: The network's last layer.
        values: Mask coefficients, keypoints or angle of each box, shape (n, k); k may be 0.
        sd: Their standard deviations, of the same shape.
    """
    if not values.shape[1]:
        return {}
    if hasattr(head, "kpt_shape"):
        dims = head.kpt_shape[1]
        xy = torch.stack([sd[:, 0::dims], sd[:, 1::dims]])
        return {"keypoint_sd_px": (xy**2).mean((0, 2)).sqrt()}
    if hasattr(head, "nm"):
        return {"mask_sd": ((sd**2).mean(1) / (values**2).mean(1).clamp(min=_TINY)).sqrt()}
    return {"angle_sd": sd[:, 0]}

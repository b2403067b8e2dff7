"""Three simple tests that the verdict could have been, for the comparison in docs/statistics.md."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special
from simulated_studies import ALPHA, Cell

from yolo_dropout.decision.levels import critical_value

NAMES = ("pooled block ANOVA + Dunnett", "larger of own and pooled variance", "paired t + Bonferroni")


def simple_tests(cell: Cell, studies: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """Share of "use" by each of NAMES, on complete studies."""
    gains = cell.draw(rng, studies)
    n, k = gains.shape[-2], gains.shape[-1] - 1
    paired = gains[..., 1:] - gains[..., :1]
    own = paired.var(-2, ddof=1)
    residual = (
        gains - gains.mean(-1, keepdims=True) - gains.mean(-2, keepdims=True) + gains.mean((-2, -1), keepdims=True)
    )
    pooled = 2 * (residual**2).sum((-2, -1))[..., None] / ((n - 1) * k)
    dunnett = critical_value(ALPHA, k, (n - 1) * k)
    bonferroni = float(special.stdtrit(n - 1, 1 - ALPHA / k))

    def found(variance: npt.NDArray[np.float64], bound: float) -> float:
        return float((paired.mean(-2) > bound * np.sqrt(variance / n)).any(-1).mean())

    return found(pooled, dunnett), found(np.maximum(own, pooled), dunnett), found(own, bonferroni)

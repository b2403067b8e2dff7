"""Other rules that the verdict could go by, for the comparison in docs/statistics.md."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special
from simulated_studies import ALPHA, Cell

from yolo_dropout.decision.levels import critical_value
from yolo_dropout.decision.rule import degrees_of_freedom

FloatArray = npt.NDArray[np.float64]
NAMES = (
    "moderated variance, as of named treatments",
    "larger of own and mean variance",
    "pooled block ANOVA + Dunnett",
    "larger of own and pooled variance",
    "paired t + Bonferroni",
)


def other_rules(cell: Cell, studies: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Share of "use" by each of NAMES, on complete studies."""
    gains = cell.draw(rng, studies)
    n, k = gains.shape[-2], gains.shape[-1] - 1
    paired = gains[..., 1:] - gains[..., :1]
    own = paired.var(-2, ddof=1)
    mean = own.mean(-1, keepdims=True)
    residual = (
        gains - gains.mean(-1, keepdims=True) - gains.mean(-2, keepdims=True) + gains.mean((-2, -1), keepdims=True)
    )
    pooled = 2 * (residual**2).sum((-2, -1))[..., None] / ((n - 1) * k)
    dunnett = critical_value(ALPHA, k, (n - 1) * k, correlation=0.5)
    larger = critical_value(ALPHA, k, (n - 1) * k / (1 + (k - 1) * 0.45 / n), correlation=0.5)
    moderated = critical_value(ALPHA, k, float(degrees_of_freedom(n, k)))
    bonferroni = float(special.stdtrit(n - 1, 1 - ALPHA / k))

    def found(variance: FloatArray, bound: float) -> float:
        return float((paired.mean(-2) > bound * np.sqrt(variance / n)).any(-1).mean())

    return (
        found((3 * mean + (n - 1) * own) / (n + 2), moderated),
        found(np.maximum(own * (n - 1) / (n - 0.5), mean), larger),
        found(pooled, dunnett),
        found(np.maximum(own, pooled), dunnett),
        found(own, bonferroni),
    )

"""How often a cross-validation without any effect says "use r": `python scripts/calibrate_folds.py` prints a table.

Every run's noise comes partly from its fold's images, which all seeds of the fold share, and partly from its seed. The
images' part follows Nadeau and Bengio's model: between folds it correlates at 1 / K. Compared are the verdict as it is,
one block per fold, and one block per run with the same correction, which takes seeds of one fold for other images.
"""

from __future__ import annotations

import argparse

import numpy as np

from yolo_dropout.decision.rule import contrast, rule, spread
from yolo_dropout.decision.scores import FloatArray, fold_rows

ALPHA, RATES = 0.05, 5
DESIGNS = ((3, 1), (3, 3), (5, 1), (5, 3), (5, 5), (8, 1), (8, 3))
SHARES = (0.0, 0.5, 0.8, 1.0)


def draw(rng: np.random.Generator, studies: int, folds: int, seeds: int, share: float) -> FloatArray:
    """Null scores, control first, shape (studies, folds * seeds, RATES); rows fold by fold."""
    everywhere = rng.standard_normal((studies, 1, 1, RATES)) * np.sqrt(1 / folds)
    own = rng.standard_normal((studies, folds, 1, RATES)) * np.sqrt(1 - 1 / folds)
    by_seed = rng.standard_normal((studies, folds, seeds, RATES))
    gains = np.sqrt(share) * (everywhere + own) + np.sqrt(1 - share) * by_seed
    return np.asarray(gains.reshape(studies, folds * seeds, RATES))


def used(gains: FloatArray, overlap: float) -> float:
    """Share of studies that say "use"."""
    return float(rule(contrast(gains, overlap), ALPHA, spread(gains[..., 0])).use.mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=20_000)
    studies = parser.parse_args().studies
    rng = np.random.default_rng(0)
    heads = [f"{share:.0%} of the noise from the images" for share in SHARES]
    print(f"| folds x seeds | {' | '.join(heads)} |")
    print(f"|{' --- |' * (1 + len(SHARES))}")
    for folds, seeds in DESIGNS:
        labels, cells = np.repeat(np.arange(folds), seeds), []
        for share in SHARES:
            gains = draw(rng, studies, folds, seeds, share)
            per_fold = np.array([fold_rows(study, labels).gains for study in gains])
            shares = used(per_fold, 1 / (folds - 1)), used(gains, 1 / (folds - 1))
            cells.append(" / ".join(f"{value:.3f}".removeprefix("0") for value in shares))
        print(f"| {folds} x {seeds} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

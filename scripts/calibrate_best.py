"""What is said beside a verdict, simulated: which treatments may be the best, whether parts are beaten, what to expect.

    python scripts/calibrate_best.py --studies 8000     # the tables of docs/statistics.md; some minutes on one core

Scores are normal, with one standard deviation of the seed and one of each run.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from yolo_dropout.decision import decide

NAMES = ["control", "a", "b", "a and b", "c"]
PARTS = {"a and b": ("a", "b")}


def scores(rng: np.random.Generator, n_seeds: int, gains: list[float], noise: list[float]) -> np.ndarray:
    """Losses of one study, shape (n_seeds, n_treatments)."""
    seed, own = rng.normal(0, 1, (n_seeds, 1)), rng.normal(0, noise, (n_seeds, len(gains)))
    return np.asarray(seed + own - np.array(gains))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=8000, help="simulated studies per number (default 8000)")
    n, alike = parser.parse_args().studies, [1.0] * 5
    print("| said wrongly | 5 seeds | 8 seeds |\n|---|---|---|")
    for told, noise in (("equal noise", alike), ("one three times as noisy", [1.0, 1.0, 3.0, 1.0, 1.0])):
        cells = []
        for n_seeds in (5, 8):
            rng = np.random.default_rng(1)
            left_out = sum(
                NAMES[2] not in decide(scores(rng, n_seeds, [0] * 5, noise), NAMES).candidates for _ in range(n)
            )
            cells.append(f"{left_out / n:.3f}")
        print(f"| a best treatment is left out: five equal ones, {told} | {' | '.join(cells)} |", flush=True)
    cells = []
    for n_seeds in (5, 8):
        rng = np.random.default_rng(2)
        studies = (scores(rng, n_seeds, [0, 3, 0, 3, 0], alike) for _ in range(n))
        cells.append(f"{sum(decide(study, NAMES, parts=PARTS).unbeaten == () for study in studies) / n:.3f}")
    print(f"| a combination beats its parts: it is as good as one of them | {' | '.join(cells)} |\n", flush=True)
    print("| true gain | seeds | measured over true | expected over true |\n|---|---|---|---|")
    for gain in (1.0, 2.0, 3.0):
        for n_seeds in (5, 8):
            rng, measured, expected = np.random.default_rng(3), list[float](), list[float]()
            for _ in range(n):
                verdict = decide(scores(rng, n_seeds, [0, gain, 0], [1.0] * 3), [0, 0.1, 0.3])
                if verdict.rate == 0.1:
                    measured.append(verdict.comparisons[0].difference or 0.0)
                    expected.append(verdict.expected or 0.0)
            row = f"{np.mean(measured) / gain:.2f} | {np.mean(expected) / gain:.2f}"
            print(f"| {gain:g} | {n_seeds} | {row} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

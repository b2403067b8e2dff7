"""How often limits on new images hold, simulated: differences by seed and image, with effects of both.

python scripts/calibrate_images.py     # the table of docs/statistics.md; a few minutes on one core
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from yolo_dropout.decision.new_images import on_images

# Standard deviations of what a seed, an image, and both together change of a difference.
EFFECTS = {"seeds": (1.0, 0.3, 1.0), "images": (0.05, 1.0, 0.5), "both": (0.3, 1.0, 1.0), "neither": (0.02, 0.1, 1.0)}
NOISE = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "Student t4": lambda rng, shape: rng.standard_t(4, shape) / np.sqrt(2),
    "skewed (exponential)": lambda rng, shape: rng.exponential(size=shape) - 1,
}
SEEDS, IMAGES = (3, 5, 8), (8, 16, 50, 200, 500)


def held(rng: np.random.Generator, size: tuple[int, int], effect: str, noise: str, studies: int) -> tuple[float, float]:
    """Share of studies whose 95 % limits hold the true difference: those on new images, and those that seeds give."""
    of_seed, of_image, of_both = EFFECTS[effect]
    (seeds, images), new, same = size, 0, 0
    for _ in range(studies):
        table = of_seed * rng.normal(size=(seeds, 1)) + of_image * NOISE[noise](rng, (1, images))
        found = on_images(table + of_both * rng.normal(size=(seeds, images)), 0.025)
        new += found.new[0] <= 0 <= found.new[1]
        same += found.same[0] <= 0 <= found.same[1]
    return new / studies, same / studies


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=4000, help="simulated studies per number (default 4000)")
    studies = parser.parse_args().studies
    print(f"| what varies most | images differ | seeds | {' | '.join(f'{n} images' for n in IMAGES)} |")
    print(f"|{'---|' * (3 + len(IMAGES))}")
    for effect in EFFECTS:
        for noise in NOISE if effect in ("images", "both") else ("normal",):
            for seeds in SEEDS:
                rng = np.random.default_rng(1)
                cells = [held(rng, (seeds, n), effect, noise, studies) for n in IMAGES]
                told = " | ".join(f"{new:.3f} ({same:.2f})" for new, same in cells)
                print(f"| {effect} | {noise} | {seeds} | {told} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

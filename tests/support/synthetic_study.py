"""Believable made-up studies for the tests of figures and report: overfitting, by rate and seed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from yolo_dropout.decision import Comparison, Verdict

PARTS = {"val/box_loss": 0.42, "val/cls_loss": 0.45, "val/l1_loss": 0.13}


def make_curves(
    rates: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.5), n_seeds: int = 5, epochs: int = 60, task: str = "detect"
) -> pd.DataFrame:
    """Tidy curves: the less dropout, the more the loss rises late; seeds differ more than rates do."""
    rng = np.random.default_rng(7)
    epoch = np.arange(1, epochs + 1)
    t = epoch / max(epochs, 2)
    levels = rng.normal(0, 0.13, n_seeds)
    frames = []
    for rate in rates:
        for seed, level in enumerate(levels):
            noise = np.convolve(rng.normal(0, 0.05, epochs + 4), np.ones(5) / 5, "valid")
            rise = 0.9 * np.exp(-4.5 * rate) * np.clip(t - 0.45, 0, None) ** 1.3
            loss = (
                2.55
                + level
                + 2.4 * rate**2
                - 0.45 * rate * (rate < 0.25)
                + 3.2 * np.exp(-7 * t / (1 + rate))
                + rise
                + noise
            )
            score = 0.62 - 0.15 * level - 0.35 * rate**2 - 0.6 * np.exp(-5 * t / (1 + rate)) - 0.05 * rise - 0.1 * noise
            frames.append(_run(rate, seed, epoch, loss, np.clip(score, 0, 1), task))
    return pd.concat(frames, ignore_index=True)


def _run(rate: float, seed: int, epoch: np.ndarray, loss: np.ndarray, score: np.ndarray, task: str) -> pd.DataFrame:
    if task == "classify":
        columns = {"val/loss": loss, "metrics/accuracy_top1": score, "metrics/accuracy_top5": np.sqrt(score)}
    else:
        columns = {name: loss * share for name, share in PARTS.items()}
        columns |= {"val/sem_loss": 0 * loss, "val/loss": loss, "metrics/mAP50(B)": np.sqrt(score)}
        columns |= {"metrics/mAP50-95(B)": score}
    wide = pd.DataFrame({"rate": rate, "seed": seed, "epoch": epoch, **columns})
    return wide.melt(["rate", "seed", "epoch"], var_name="metric")


def make_scores(curves: pd.DataFrame) -> pd.DataFrame:
    """The lowest val/loss of every run: index seed, one column per rate."""
    losses = curves[(curves["metric"] == "val/loss") & np.isfinite(curves["value"])]
    return losses.pivot_table(index="seed", columns="rate", values="value", aggfunc="min")


def make_verdict(scores: pd.DataFrame, outcome: str = "use", rate: float = 0.1) -> Verdict:
    """A verdict on these scores with plain paired intervals, and the outcome that the caller wants to see."""
    comparisons = []
    for other in [r for r in scores.columns if r != 0]:
        gain = (scores[0.0] - scores[other]).dropna()
        half = 2.8 * gain.std() / max(len(gain), 1) ** 0.5 if len(gain) > 1 else None
        mean = float(gain.mean()) if len(gain) else None
        ends = (None, None) if half is None or mean is None else (mean - half, mean + half)
        comparisons.append(Comparison(str(other), len(gain), mean, *ends, None if half is None else 0.01, 0.05))
    reason = f"With {len(scores)} seeds, rate {rate} lowers the validation loss. It is the lowest that does."
    return Verdict(
        outcome=outcome,
        treatment=str(rate) if outcome == "use" else "0.0",
        reason=reason,
        comparisons=tuple(comparisons),
        control="0.0",
        n_seeds=len(scores),
        alpha=0.05,
        relevant=0.1,
        detectable=0.12,
        correlation=0.8,
        seeds_needed=None,
        basis=f"{len(scores)} seed{'s' * (len(scores) != 1)}",
    )

"""How metrics, scores, rates, numbers and verdicts are written wherever people read them."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, isfinite, log10
from typing import TYPE_CHECKING

from yolo_dropout.base.text import printable

if TYPE_CHECKING:
    from yolo_dropout.decision import Verdict
    from yolo_dropout.spec.score import Score

NAMES = {
    "val/loss": "validation loss",
    "metrics/accuracy_top1": "top-1 accuracy",
    "metrics/accuracy_top5": "top-5 accuracy",
    "metrics/mIoU": "mean IoU",
}
BRANCHES = {"(B)": " (boxes)", "(M)": " (masks)", "(P)": " (keypoints)"}


def rate_text(rate: float) -> str:
    """A rate as people write it: 0.0, 0.05, 0.1."""
    return f"{rate:.1f}" if round(rate, 1) == rate else f"{rate:g}"


def number(value: float, among: Iterable[float] = ()) -> str:
    """A value with as many decimals as tell the values apart that it is shown among.

    Args:
        value: What to write.
        among: The values it is compared with, one of which may be far off; alone, a value gets three significant
            digits.
    """
    if not isfinite(value):
        return "–"
    finite = [x for x in among if isfinite(x)]
    span = max(finite) - min(finite) if len(finite) > 1 else abs(value)
    decimals = 2 - floor(log10(span)) if span > 0 else 3
    least = 2 - floor(log10(max(abs(value), 1.0)))
    return f"{value:.{min(max(decimals, least, 0), 6)}f}"


def metric_name(metric: str) -> str:
    """A `results.csv` column in words: `metrics/mAP50-95(B)` -> mAP50-95 (boxes)."""
    if metric in NAMES:
        return NAMES[metric]
    metric = printable(metric)  # foreign results name their columns as they like
    if metric.startswith("val/"):
        return metric.removeprefix("val/").replace("_", " ") + " (validation)"
    name = metric.removeprefix("metrics/").replace("_", " ")
    return next((name.removesuffix(end) + words for end, words in BRANCHES.items() if name.endswith(end)), name)


def score_words(score: Score) -> str:
    """A score in words: `val/loss@min` -> lowest validation loss."""
    name = metric_name(score.metric)
    if score.at == "last":
        return f"{name} at the end (last {'epoch' if score.k == 1 else f'{score.k} epochs'})"
    return {"min": f"lowest {name}", "max": f"highest {name}"}.get(score.at, f"{name} of best.pt")


def seeds(count: int) -> str:
    """1 seed, 3 seeds."""
    return "1 seed" if count == 1 else f"{count} seeds"


def capital(text: str) -> str:
    """Text with its first letter large, for the start of a line; mAP stays mAP."""
    return text if text.startswith("mAP") else text[:1].upper() + text[1:]


def verdict_words(verdict: Verdict | None, *, inside: bool = False) -> str:
    """The verdict in one line, for titles; `inside` a sentence it starts with a small letter."""
    words = _verdict_words(verdict)
    return words[0].lower() + words[1:] if inside else words


def _verdict_words(verdict: Verdict | None) -> str:
    if verdict is None:
        return "No verdict yet"
    chosen = rate_text(verdict.rate)
    return {
        "use": f"Use dropout {chosen}",
        "keep": f"Keep dropout at {rate_text(verdict.control)}",
        "undecided": f"Undecided with {verdict.basis}",
        "exploratory": f"Exploratory: {verdict.basis} cannot decide",
    }[verdict.outcome]


def response_title(verdict: Verdict | None, score_name: str) -> str:
    """The verdict and what carries it, for the figure of rates against score."""
    words = verdict_words(verdict)
    if verdict is None:
        return f"{capital(score_name)} by dropout rate"
    gain = next((c.difference for c in verdict.comparisons if c.rate == verdict.rate), None)
    if verdict.outcome == "use" and gain is not None:
        among = [0.0] + [c.difference for c in verdict.comparisons if c.difference is not None]
        return f"{words}: {score_name} better by {number(gain, among)}"
    reasons = {
        "keep": ": no rate brings a gain that matters",
        "undecided": ": no rate clearly beats 0.0, but one still may" if verdict.moved else ": nothing was measured",
    }
    return words + reasons.get(verdict.outcome, "")


def bars_words(verdict: Verdict, block: str) -> str:
    """What the bars of `rate_response` are, and what may be read from them."""
    limits = f"lower and upper {100 * (1 - verdict.alpha):g} % limits of the difference to rate 0.0"
    if verdict.outcome == "exploratory":
        return f"{limits}, paired by {block}, too few to claim anything."
    none = "" if verdict.shown == verdict.comparisons else " A rate with fewer than three pairs has none."
    return f"{limits}, paired by {block}, all rates at once: clear of the dashed line means a real difference.{none}"

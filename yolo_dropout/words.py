"""What the words of figures and report say: names, titles, and what bars mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yolo_dropout.figures.style import number, rate_text

if TYPE_CHECKING:
    from yolo_dropout.decision import Verdict

NAMES = {
    "val/loss": "validation loss",
    "metrics/accuracy_top1": "top-1 accuracy",
    "metrics/accuracy_top5": "top-5 accuracy",
    "metrics/mIoU": "mean IoU",
}
BRANCHES = {"(B)": " (boxes)", "(M)": " (masks)", "(P)": " (keypoints)"}


def metric_name(metric: str) -> str:
    """A `results.csv` column in words: `metrics/mAP50-95(B)` -> mAP50-95 (boxes)."""
    if metric in NAMES:
        return NAMES[metric]
    if metric.startswith("val/"):
        return metric.removeprefix("val/").replace("_", " ") + " (validation)"
    name = metric.removeprefix("metrics/").replace("_", " ")
    return next((name.removesuffix(end) + words for end, words in BRANCHES.items() if name.endswith(end)), name)


def score_words(score: str) -> str:
    """A score in words: `val/loss@min` -> lowest validation loss; words stay as they are."""
    metric, _, at = score.rpartition("@")
    if not metric:
        return score
    name = metric_name(metric)
    if at.startswith("last"):
        count = at.removeprefix("last") or "1"
        return f"{name} at the end (last {'epoch' if count == '1' else f'{count} epochs'})"
    return {"min": f"lowest {name}", "max": f"highest {name}"}.get(at, f"{name} of best.pt")


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

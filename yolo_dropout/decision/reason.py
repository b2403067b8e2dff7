"""The reason of a verdict: what to do, how sure that is, and what it would take to know more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yolo_dropout.base.text import capital, counted, few, named, noun, number, rate_of
from yolo_dropout.decision.rule import MIN_BLOCKS
from yolo_dropout.decision.verdict import Comparison, Verdict

_OTHER_IMAGES = "More seeds narrow that as far as seed noise goes; beyond that, it takes more images."


@dataclass(frozen=True)
class Phrases:
    """How to speak of the scores of a study.

    Attributes:
        score_name: What the score is called, for example val/loss.
        higher_is_better: Whether an improvement raises it.
        seeds_per_fold: Where blocks are the folds of a cross-validation, the seeds that each was trained with.
        planned: Most seeds that are planned for, where that is more than there are.
        then: What comes next where the study knows that itself, as a sentence; said in place of advice on seeds.
    """

    score_name: str = "score"
    higher_is_better: bool = False
    seeds_per_fold: int | None = None
    planned: int | None = None
    then: str = ""

    @property
    def folded(self) -> bool:
        """Whether blocks are the folds of a cross-validation rather than seeds."""
        return self.seeds_per_fold is not None

    @property
    def noun(self) -> str:
        """What a block is called."""
        return "fold" if self.folded else "seed"

    def blocks(self, n: int) -> str:
        """`n` with its noun: `3 seeds`, or `5 folds x 3 seeds`."""
        seeds = "" if self.seeds_per_fold is None else f" x {counted(self.seeds_per_fold, 'seed')}"
        return counted(n, self.noun) + seeds

    def change(self, difference: float | None) -> str:
        """How the score moved, for an improvement of `difference`: "lowered the val/loss by 0.2"."""
        if not difference:
            return f"left the {self.score_name} as it was"
        verb = "raised" if (difference > 0) == self.higher_is_better else "lowered"
        return f"{verb} the {self.score_name} by {number(abs(difference))}"


def explain(verdict: Verdict, phrases: Phrases) -> str:
    """At most four sentences for a practitioner, on a verdict whose own reason is not read."""
    tell = {"use": _use, "keep": _keep, "undecided": _undecided, "exploratory": _exploratory}[verdict.outcome]
    return " ".join([*filter(None, tell(verdict, phrases, phrases.blocks(verdict.n_seeds)))][:4])


def _use(verdict: Verdict, phrases: Phrases, _over: str) -> list[str]:
    chosen = next(c for c in verdict.comparisons if c.treatment == verdict.treatment)
    leader = verdict.best
    best = max((c for c in verdict.comparisons if c.better), key=lambda c: c.difference or 0.0)
    small = (chosen.difference or 0.0) < (verdict.relevant or 0.0)
    beside = ""
    if leader is not None and not leader.better:
        beside = f"{_capital(leader)} looks better still, but is not shown to beat {verdict.control_name}."
    elif best != chosen:
        enough = "lower rate is" if verdict.noun == "rate" else "earlier one is"
        beside = (
            f"{_capital(best)} {phrases.change(best.difference)}, but that is within one standard error, so the "
            f"{enough} enough."
        )
    what = f"dropout={chosen.treatment}" if rate_of(chosen.treatment) is not None else named(chosen.treatment)
    narrower = f"About {phrases.blocks(4 * verdict.n_seeds)} in all would halve that uncertainty."
    return [
        f"Use {what}: it {phrases.change(chosen.difference)} on average over "
        f"{phrases.blocks(chosen.n)}, and by at least {number(chosen.low)}{_sure(verdict, phrases)}.",
        _expectation(verdict, chosen),
        f"On average that is less than {number(verdict.relevant)}, the size that matters here." if small else "",
        beside,
        _candidates(verdict),
        _parts(verdict),
        _harm(verdict),
        "" if small else _OTHER_IMAGES if phrases.folded else narrower,
    ]


def _keep(verdict: Verdict, phrases: Phrases, over: str) -> list[str]:
    ran = verdict.noun if all(c.n for c in verdict.comparisons) else f"{verdict.noun} that ran"
    why = f"no {ran} beat it, and gains above {number(verdict.relevant)}, the size that matters here, are excluded,"
    if all(c.worse for c in verdict.comparisons if c.n):
        why = f"every {ran} did harm,"
    off = "Keep dropout off (0.0)" if verdict.noun == "rate" else "Keep the control"
    return [
        f"{off}: over {over} {why}{_sure(verdict, phrases)}.",
        _leader(verdict, phrases),
        f"Gains below about {number(verdict.detectable)} are too small for {over} to find reliably.",
        _OTHER_IMAGES if phrases.folded else "Four times as many would halve that.",
    ]


def _undecided(verdict: Verdict, phrases: Phrases, over: str) -> list[str]:
    noun, undecided = verdict.noun, f"Undecided, so keep {verdict.control_name} for now:"
    if not verdict.moved:
        block = "seed and fold" if phrases.folded else "seed"
        same = f"all runs of a {block} have the same {phrases.score_name}, so nothing was measured"
        told = "This score cannot tell: choose one that moves, or train longer."
        return [f"{undecided} over {over} {same}.", told, phrases.then]
    unjudged = [c for c in verdict.comparisons if c.n and not c.judged]
    admitted = [c for c in verdict.comparisons if c.judged and (c.high or 0.0) > (verdict.relevant or 0.0)]
    if unjudged and not admitted:
        why = f"{_listed(unjudged)} had too few finished runs to be judged"
        runs = "folds" if phrases.folded else "runs"
        more = f"Finish at least {MIN_BLOCKS} {runs} of each {noun}, or leave that {noun} out, to get a verdict."
    else:
        size = f" ({number(verdict.relevant)} or more)" if verdict.relevant else ""
        why, more = f"a gain that matters{size} cannot be excluded either", _settling(verdict, phrases)
    first = f"{undecided} over {over} no {noun} is shown to beat it, but {why}."
    return [first, _leader(verdict, phrases), _candidates(verdict) or _harm(verdict), phrases.then or more]


def _settling(verdict: Verdict, phrases: Phrases) -> str:
    if phrases.folded:
        return _OTHER_IMAGES
    needed, planned = verdict.seeds_needed, phrases.planned
    if needed is None:
        return "No practical number of seeds would settle it: the gain is too small for the noise."
    settles = f"About {phrases.blocks(needed)} would settle it in about four studies of five"
    if planned is None:
        return (
            f"{settles}, if its mean and noise stay as they are; take new ones in a new study, since adding to seeds "
            "that were looked at makes false finds two to three times as likely."
        )
    if needed > planned:
        return f"{settles}, more than the {planned} that this study is planned for."
    return (
        f"The {phrases.blocks(planned)} that this study is planned for would settle it in about four studies of five, "
        "if its mean and noise stay as they are."
    )


def _exploratory(verdict: Verdict, phrases: Phrases, over: str) -> list[str]:
    if not verdict.n_seeds:
        pair = f"a finished run of {verdict.control_name} beside another"
        return [f"Exploratory: no {phrases.noun} has {pair}, so nothing can be compared."]
    return [
        f"Exploratory: {over} cannot tell the effect of a {verdict.noun} from the noise between {phrases.noun}s, so "
        f"keep {verdict.control_name} for now.",
        _leader(verdict, phrases),
        f"A verdict needs at least {MIN_BLOCKS} finished runs of the control and of a {verdict.noun} with the same "
        f"{phrases.noun}s; plan 5 or more.",
    ]


def _leader(verdict: Verdict, phrases: Phrases) -> str:
    """The best-looking treatment with its interval."""
    best = verdict.best
    if best is None or best.difference is None:
        return ""
    standing = "looks best" if best.difference > 0 else "came closest"
    text = f"{_capital(best)} {standing}: it {phrases.change(best.difference)} on average"
    if best.low is None or best.high is None:
        return f"{text}."
    ends = f"improvement between {number(best.low)} and {number(best.high)}"
    return f"{text} ({ends}, each end with {verdict.confidence} confidence)."


def _harm(verdict: Verdict) -> str:
    harmful = [c for c in verdict.comparisons if c.worse]
    return f"{capital(_listed(harmful))} did harm." if harmful else ""


def _expectation(verdict: Verdict, chosen: Comparison) -> str:
    """What gain to expect, where that differs from the measured one by more than a twentieth."""
    if verdict.expected is None or verdict.expected > 0.95 * (chosen.difference or 0.0):
        return ""
    if verdict.expected < (chosen.low or 0.0):
        return f"It was only just found: the likeliest gain, given that, is {number(verdict.expected)}."
    return f"Expect about {number(verdict.expected)}: gains that are found look larger than they are."


def _candidates(verdict: Verdict) -> str:
    """Which treatments may be the best; nothing where that leaves out none."""
    kept = [verdict.named(name) for name in verdict.candidates]
    if not kept or len(kept) > len(verdict.comparisons):
        return ""
    sure = f"with {verdict.confidence} confidence"
    if verdict.candidates == (verdict.treatment,):
        return f"{capital(sure)} it is the best of the {len(verdict.comparisons) + 1}."
    return f"The best of the {len(verdict.comparisons) + 1} is among {few(kept, 4)} {sure}."


def _parts(verdict: Verdict) -> str:
    """Whether a chosen combination is worth its parts."""
    if verdict.unbeaten is None:
        return ""
    if not verdict.unbeaten:
        return "It is shown to beat each of its parts alone."
    return f"It is not shown to beat {few(list(map(verdict.named, verdict.unbeaten)))} alone, which is simpler."


def _sure(verdict: Verdict, phrases: Phrases) -> str:
    """How sure the limits are and what they are corrected for, as the end of a sentence."""
    count = sum(c.low is not None for c in verdict.comparisons)
    several = f"{count} {verdict.noun}s"
    several = f"all {several}" if count == len(verdict.comparisons) else f"the {several} that could be compared"
    causes = [*([several] if count > 1 else []), *(["overlapping folds"] if phrases.folded else [])]
    corrected = f", corrected for {' and for '.join(causes)}" if causes else ""
    return f" with {verdict.confidence} confidence{corrected}"


def _capital(comparison: Comparison) -> str:
    return capital(named(comparison.treatment))


def _listed(comparisons: Sequence[Comparison]) -> str:
    names = [c.treatment for c in comparisons]
    if noun(names) == "rate" and len(names) > 1:
        return f"rates {', '.join(names[:-1])} and {names[-1]}"
    *others, last = map(named, names)
    return f"{', '.join(others)} and {last}" if others else last

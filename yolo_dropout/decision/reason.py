"""The reason of a verdict: what to do, how sure that is, and what it would take to know more."""

from __future__ import annotations

from yolo_dropout.base.text import number
from yolo_dropout.decision.contrast import MIN_BLOCKS
from yolo_dropout.decision.phrases import Phrases
from yolo_dropout.decision.verdict import Comparison, Verdict

_UNDECIDED = "Undecided, so keep 0.0 for now:"
_OTHER_IMAGES = "More seeds narrow that as far as seed noise goes; beyond that, it takes more images."


def explain(verdict: Verdict, phrases: Phrases) -> str:
    """At most four sentences for a practitioner.

    Args:
        verdict: The verdict; its own reason is not read.
        phrases: How to speak of the scores.

    Returns:
        The reason.
    """
    sentences = {"use": _use, "keep": _keep, "undecided": _undecided, "exploratory": _exploratory}
    if verdict.outcome == "undecided" and not verdict.moved:
        return " ".join(_nothing_measured(verdict, phrases))
    return " ".join(sentences[verdict.outcome](verdict, phrases))


def _use(verdict: Verdict, phrases: Phrases) -> list[str]:
    chosen = next(c for c in verdict.comparisons if c.rate == verdict.rate)
    winners, leader = [c for c in verdict.comparisons if c.better], verdict.best
    best = max(winners, key=lambda c: c.difference or 0.0)
    sentences = [
        f"Use dropout={chosen.rate:g}: it {phrases.change(chosen.difference or 0.0)} on average over "
        f"{phrases.blocks(chosen.n)}, and by at least {number(chosen.low)} with {_sure(verdict)} confidence"
        f"{_corrected(verdict, phrases)}."
    ]
    small = (chosen.difference or 0.0) < (verdict.relevant or 0.0)
    if small:
        sentences.append(f"On average that is less than {number(verdict.relevant)}, the size that matters here.")
    if leader is not None and not leader.better:
        sentences.append(f"Rate {leader.rate:g} looks better still, but is not shown to beat 0.0.")
    elif best.rate != chosen.rate:
        sentences.append(
            f"Rate {best.rate:g} {phrases.change(best.difference or 0.0)}, but that is within one standard "
            f"error, so the lower rate is enough."
        )
    sentences += _harm(verdict)
    narrower = f"About {phrases.blocks(4 * verdict.n_seeds)} in all would halve that uncertainty."
    return sentences if small else [*sentences, _OTHER_IMAGES if phrases.folded else narrower]


def _keep(verdict: Verdict, phrases: Phrases) -> list[str]:
    ran = "" if all(c.n for c in verdict.comparisons) else " that ran"
    if all(c.worse for c in verdict.comparisons if c.n):
        first = f"Keep dropout off (0.0): over {phrases.blocks(verdict.n_seeds)} every rate{ran} did harm"
    else:
        first = (
            f"Keep dropout off (0.0): over {phrases.blocks(verdict.n_seeds)} no rate{ran} beat it, and gains above "
            f"{number(verdict.relevant)}, the size that matters here, are excluded"
        )
    found = (
        f"Gains below about {number(verdict.detectable)} are too small for {phrases.blocks(verdict.n_seeds)} to find"
    )
    return [
        f"{first}, with {_sure(verdict)} confidence{_corrected(verdict, phrases)}.",
        *_leader(verdict, phrases),
        f"{found} reliably.",
        _OTHER_IMAGES if phrases.folded else "Four times as many would halve that.",
    ]


def _undecided(verdict: Verdict, phrases: Phrases) -> list[str]:
    unjudged = [c for c in verdict.comparisons if c.n and not c.judged]
    admitted = [c for c in verdict.comparisons if c.judged and (c.high or 0.0) > (verdict.relevant or 0.0)]
    if unjudged and not admitted:
        why = f"{_rates(unjudged).lower()} had too few finished runs to be judged"
        runs = "folds" if phrases.folded else "runs"
        finish = f"Finish at least {MIN_BLOCKS} {runs} of each rate, or leave that rate out, to get a verdict."
        more = phrases.then or finish
    else:
        size = f" ({number(verdict.relevant)} or more)" if verdict.relevant else ""
        why = f"a gain that matters{size} cannot be excluded either"
        more = _more(verdict, phrases)
    first = f"{_UNDECIDED} over {phrases.blocks(verdict.n_seeds)} no rate is shown to beat it, but {why}."
    return [first, *_leader(verdict, phrases), *_harm(verdict), more]


def _nothing_measured(verdict: Verdict, phrases: Phrases) -> list[str]:
    block = "seed and fold" if phrases.folded else "seed"
    same = f"all runs of a {block} have the same {phrases.score_name}, so nothing was measured"
    return [
        f"{_UNDECIDED} over {phrases.blocks(verdict.n_seeds)} {same}.",
        "Either dropout did not act, or this score cannot tell: choose one that moves, or train longer.",
        *([phrases.then] if phrases.then else []),
    ]


def _exploratory(verdict: Verdict, phrases: Phrases) -> list[str]:
    if not verdict.n_seeds:
        return [f"Exploratory: no {phrases.noun} has a finished run of 0.0 beside another, so nothing can be compared."]
    return [
        f"Exploratory: {phrases.blocks(verdict.n_seeds)} cannot tell the effect of a rate from the noise "
        f"between {phrases.noun}s, so keep 0.0 for now.",
        *_leader(verdict, phrases),
        f"A verdict needs at least {MIN_BLOCKS} finished runs of the control and of a rate with the same "
        f"{phrases.noun}s; plan 5 or more.",
    ]


def _more(verdict: Verdict, phrases: Phrases) -> str:
    if phrases.then:
        return phrases.then
    if phrases.folded:
        return _OTHER_IMAGES
    if verdict.seeds_needed is None:
        return "No practical number of seeds would settle it: the gain is too small for the noise."
    return (
        f"About {phrases.blocks(verdict.seeds_needed)} would settle it, if its mean and noise stay as they are; take "
        "new ones in a new study, since adding to seeds that were looked at makes false finds two to three times as "
        "likely."
    )


def _leader(verdict: Verdict, phrases: Phrases) -> list[str]:
    """The best-looking rate with its interval."""
    best = verdict.best
    if best is None or best.difference is None:
        return []
    standing = "looks best" if best.difference > 0 else "came closest"
    text = f"Rate {best.rate:g} {standing}: it {phrases.change(best.difference)} on average"
    if best.low is None or best.high is None:
        return [f"{text}."]
    return [
        f"{text} (improvement between {number(best.low)} and {number(best.high)}, "
        f"each end with {_sure(verdict)} confidence)."
    ]


def _harm(verdict: Verdict) -> list[str]:
    harmful = [c for c in verdict.comparisons if c.worse]
    return [f"{_rates(harmful)} did harm."] if harmful else []


def _corrected(verdict: Verdict, phrases: Phrases) -> str:
    """What the limits are corrected for, as the end of a sentence."""
    count = sum(c.low is not None for c in verdict.comparisons)
    rates = f"all {count} rates" if count == len(verdict.comparisons) else f"the {count} rates that could be compared"
    causes = [*([rates] if count > 1 else []), *(["overlapping folds"] if phrases.folded else [])]
    return f", corrected for {' and for '.join(causes)}" if causes else ""


def _rates(comparisons: list[Comparison]) -> str:
    names = [f"{c.rate:g}" for c in comparisons]
    if len(names) == 1:
        return f"Rate {names[0]}"
    return f"Rates {', '.join(names[:-1])} and {names[-1]}"


def _sure(verdict: Verdict) -> str:
    return f"{100 * (1 - verdict.alpha):.4g} %"

"""What a decision says, as frozen values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from yolo_dropout.base.text import named, noun, rate_of
from yolo_dropout.decision.rule import MIN_BLOCKS

Outcome = Literal["use", "keep", "undecided", "exploratory"]


@dataclass(frozen=True)
class Comparison:
    """One treatment against the control. Floats are None where they cannot be computed.

    Attributes:
        treatment: The name of what is compared; a rate goes by its text.
        n: Blocks in which both the control and this treatment have a score.
        difference: Mean improvement over the control within blocks, in units of the score; positive is
            better, whatever the direction of the score.
        low: Simultaneous lower limit of the improvement, at confidence 1 - alpha for all treatments at once.
        high: Simultaneous upper limit, at the same confidence; low and high together hold at 1 - 2 alpha.
        p: Adjusted, one-sided p-value of "this treatment beats the control"; None below 3 blocks.
        level: What the limits were allowed to spend: alpha, or less at one of several looks.
    """

    treatment: str
    n: int
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    level: float

    @property
    def rate(self) -> float | None:
        """The rate that is compared; None for a treatment with a name of its own."""
        return rate_of(self.treatment)

    @property
    def judged(self) -> bool:
        """Whether there are enough blocks to claim anything; with fewer, the limits are only shown."""
        return self.n >= MIN_BLOCKS

    @property
    def better(self) -> bool:
        """Whether it beats the control, corrected for all treatments."""
        return self.judged and self.low is not None and self.low > 0

    @property
    def worse(self) -> bool:
        """Whether it does harm, corrected for all treatments."""
        return self.judged and self.high is not None and self.high < 0


@dataclass(frozen=True)
class Verdict:
    """What the scores allow to say.

    Attributes:
        outcome: "use" a treatment, "keep" the control, "undecided", or "exploratory" (fewer than 3 seeds).
        treatment: What to train with, by name; the control unless the outcome is "use".
        reason: At most four sentences for a practitioner.
        comparisons: One per treatment beside the control, in their order.
        control: The control's name; that of rate 0.0 is its text.
        n_seeds: Blocks (seeds, or folds of a cross-validation) that hold the control and another treatment.
        alpha: Level of the claims, for all treatments at once.
        relevant: Gain that matters, in units of the score; None if unknown.
        detectable: Smallest gain that this many blocks find with probability 0.8 (simulated: 0.84 for the lowest
            of four rates, 0.56 to 0.72 for the highest, from 3 to 12 seeds); None if unknown.
        correlation: Mean correlation across blocks between the control and a treatment: how much pairing helps.
        seeds_needed: Blocks, in all, that would settle the best-looking rate if its mean and noise stay
            as they are; None if it is settled or nobody can say.
        basis: What the claims rest on, such as `3 seeds` or `5 folds x 3 seeds`.
        moved: False where nothing was measured: no run's score differs from that of its block's control, or no run
            learned anything.
        candidates: The named treatments, the control among them, that may be the best of all; empty among rates.
        expected: The chosen treatment's gain less what its being found adds to it on average; None without one.
        unbeaten: The parts of a chosen combination that it is not shown to beat; None where it has no parts.
    """

    outcome: Outcome
    treatment: str
    reason: str
    comparisons: tuple[Comparison, ...]
    control: str
    n_seeds: int
    alpha: float
    relevant: float | None
    detectable: float | None
    correlation: float | None
    seeds_needed: int | None
    basis: str
    moved: bool = True
    expected: float | None = None
    candidates: tuple[str, ...] = ()
    unbeaten: tuple[str, ...] | None = None

    @property
    def rate(self) -> float | None:
        """The rate to train with; None for a treatment with a name of its own."""
        return rate_of(self.treatment)

    @property
    def noun(self) -> str:
        """What is compared: rates, or treatments."""
        return noun((self.control, *(c.treatment for c in self.comparisons)))

    @property
    def control_name(self) -> str:
        """The control as it stands inside a sentence: 0.0 among rates."""
        return self.control if self.noun == "rate" else "the control"

    def named(self, treatment: str) -> str:
        """A treatment as it stands inside a sentence: rate 0.1, "weight decay x10", the control."""
        return named(treatment) if self.noun == "rate" or treatment != self.control else "the control"

    @property
    def title(self) -> str:
        """The verdict in one line."""
        return {
            "use": f"Use {named(self.treatment) if self.rate is None else f'dropout {self.treatment}'}",
            "keep": f"Keep {f'dropout at {self.control}' if self.noun == 'rate' else 'the control'}",
            "undecided": f"Undecided with {self.basis}",
            "exploratory": f"Exploratory: {self.basis} cannot decide",
        }[self.outcome]

    @property
    def clause(self) -> str:
        """The title as it stands inside a sentence."""
        return self.title[0].lower() + self.title[1:]

    @property
    def decided(self) -> bool:
        """Whether there is an answer: use a treatment, or keep the control."""
        return self.outcome in ("use", "keep")

    @property
    def confidence(self) -> str:
        """What each limit holds with, such as `95 %`."""
        return f"{100 * (1 - self.alpha):.4g} %"

    @property
    def shown(self) -> tuple[Comparison, ...]:
        """The comparisons whose limits may be shown: those that are judged, or all where none is."""
        return tuple(c for c in self.comparisons if c.judged) or self.comparisons

    @property
    def best(self) -> Comparison | None:
        """The best-looking treatment, of those that may be shown; it may be worse than the control."""
        seen = [c for c in self.shown if c.difference is not None]
        return max(seen, key=lambda c: c.difference or 0.0, default=None)

    def withheld(self, reason: str) -> Verdict:
        """This verdict where nothing may be concluded, whatever the scores say."""
        return replace(
            self,
            outcome="undecided",
            treatment=self.control,
            reason=reason,
            detectable=None,
            seeds_needed=None,
            moved=False,
            expected=None,
            candidates=(),
            unbeaten=None,
        )

    def as_dict(self) -> dict[str, Any]:
        """The verdict as plain dicts, lists, numbers and None, ready for JSON; rates among rates are numbers."""
        values = asdict(self) | {"decided": self.decided, "comparisons": [asdict(c) for c in self.comparisons]}
        if self.noun == "rate":  # whose files stay as they were
            del values["candidates"], values["unbeaten"]
        if self.expected is None:
            del values["expected"]
        return by_rate(values) if self.noun == "rate" else values


def by_rate(values: Any) -> Any:
    """Plain values with each treatment as the rate that it is, and named so."""
    if isinstance(values, list):
        return [by_rate(item) for item in values]
    if not isinstance(values, dict):
        return values
    names = {"treatment": "rate", "control": "control"}
    return {names.get(k, k): rate_of(v) if k in names else by_rate(v) for k, v in values.items()}

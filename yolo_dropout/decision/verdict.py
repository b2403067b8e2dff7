"""What a decision says, as frozen values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from yolo_dropout.base.text import rate_text
from yolo_dropout.decision.rule import MIN_BLOCKS

Outcome = Literal["use", "keep", "undecided", "exploratory"]


@dataclass(frozen=True)
class Comparison:
    """One rate against the control. Floats are None where they cannot be computed.

    Attributes:
        rate: The rate that is compared.
        n: Blocks in which both the control and this rate have a score.
        difference: Mean improvement over the control within blocks, in units of the score; positive is
            better, whatever the direction of the score.
        low: Simultaneous lower limit of the improvement, at confidence 1 - alpha for all rates at once.
        high: Simultaneous upper limit, at the same confidence; low and high together hold at 1 - 2 alpha.
        p: Adjusted, one-sided p-value of "this rate beats the control"; None below 3 blocks.
        level: What the limits were allowed to spend: alpha, or less at one of several looks.
    """

    rate: float
    n: int
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    level: float

    @property
    def judged(self) -> bool:
        """Whether there are enough blocks to claim anything; with fewer, the limits are only shown."""
        return self.n >= MIN_BLOCKS

    @property
    def better(self) -> bool:
        """Whether the rate beats the control, corrected for all rates."""
        return self.judged and self.low is not None and self.low > 0

    @property
    def worse(self) -> bool:
        """Whether the rate does harm, corrected for all rates."""
        return self.judged and self.high is not None and self.high < 0


@dataclass(frozen=True)
class Verdict:
    """What the scores allow to say.

    Attributes:
        outcome: "use" a rate, "keep" rate 0.0, "undecided", or "exploratory" (fewer than 3 seeds).
        rate: The rate to train with; 0.0 unless the outcome is "use".
        reason: At most four sentences for a practitioner.
        comparisons: One per non-zero rate, in ascending order of rates.
        control: The control's rate, 0.0.
        n_seeds: Blocks (seeds, or folds of a cross-validation) that hold the control and another rate.
        alpha: Level of the claims, for all rates at once.
        relevant: Gain that matters, in units of the score; None if unknown.
        detectable: Smallest gain that this many blocks find with probability 0.8; None if unknown.
        correlation: Mean correlation across blocks between the control and a rate: how much pairing helps.
        seeds_needed: Blocks, in all, that would settle the best-looking rate if its mean and noise stay
            as they are; None if it is settled or nobody can say.
        basis: What the claims rest on, such as `3 seeds` or `5 folds x 3 seeds`.
        moved: False where nothing was measured: no run's score differs from that of its block's control, or no run
            learned anything.
    """

    outcome: Outcome
    rate: float
    reason: str
    comparisons: tuple[Comparison, ...]
    control: float
    n_seeds: int
    alpha: float
    relevant: float | None
    detectable: float | None
    correlation: float | None
    seeds_needed: int | None
    basis: str
    moved: bool = True

    @property
    def title(self) -> str:
        """The verdict in one line."""
        return {
            "use": f"Use dropout {rate_text(self.rate)}",
            "keep": f"Keep dropout at {rate_text(self.control)}",
            "undecided": f"Undecided with {self.basis}",
            "exploratory": f"Exploratory: {self.basis} cannot decide",
        }[self.outcome]

    @property
    def clause(self) -> str:
        """The title as it stands inside a sentence."""
        return self.title[0].lower() + self.title[1:]

    @property
    def decided(self) -> bool:
        """Whether there is an answer: use a rate, or keep 0.0."""
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
        """The best-looking rate above 0.0, of those that may be shown; it may be worse than 0.0."""
        seen = [c for c in self.shown if c.difference is not None]
        return max(seen, key=lambda c: c.difference or 0.0, default=None)

    def as_dict(self) -> dict[str, Any]:
        """The verdict as plain dicts, lists, numbers and None, ready for JSON."""
        return asdict(self) | {"decided": self.decided, "comparisons": [asdict(c) for c in self.comparisons]}

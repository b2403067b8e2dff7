"""How to speak of the scores of a study."""

from __future__ import annotations

from dataclasses import dataclass

from yolo_dropout.base.text import counted, number


@dataclass(frozen=True)
class Phrases:
    """How to speak of the scores.

    Attributes:
        score_name: What the score is called, for example val/loss.
        higher_is_better: Whether an improvement raises it.
        seeds_per_fold: Where blocks are the folds of a cross-validation, the seeds that each was trained with.
        then: What comes next where the study knows that itself, as a sentence; said in place of advice on seeds.
    """

    score_name: str = "score"
    higher_is_better: bool = False
    seeds_per_fold: int | None = None
    then: str = ""

    def blocks(self, n: int) -> str:
        """`n` with its noun: `3 seeds`, or `5 folds x 3 seeds`."""
        seeds = "" if self.seeds_per_fold is None else f" x {counted(self.seeds_per_fold, 'seed')}"
        return counted(n, self.noun) + seeds

    @property
    def folded(self) -> bool:
        """Whether blocks are the folds of a cross-validation rather than seeds."""
        return self.seeds_per_fold is not None

    @property
    def noun(self) -> str:
        """What a block is called."""
        return "fold" if self.folded else "seed"

    def change(self, difference: float) -> str:
        """How the score moved, for an improvement of `difference`: "lowered the val/loss by 0.2"."""
        if difference == 0:
            return f"left the {self.score_name} as it was"
        verb = "raised" if (difference > 0) == self.higher_is_better else "lowered"
        return f"{verb} the {self.score_name} by {number(abs(difference))}"

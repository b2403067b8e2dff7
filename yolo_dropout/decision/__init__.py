"""Scores -> verdict: does a dropout rate beat the control, and how sure is that?

Pure functions on arrays; no files. The method and its calibration are in `docs/statistics.md`.
"""

from __future__ import annotations

from yolo_dropout.decision.fixed import decide
from yolo_dropout.decision.sequential import SequentialDecision, next_step, planned_looks
from yolo_dropout.decision.verdict import Comparison, Outcome, Verdict

__all__ = ["Comparison", "Outcome", "SequentialDecision", "Verdict", "decide", "next_step", "planned_looks"]

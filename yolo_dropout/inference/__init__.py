"""How sure is a detection: dropout while predicting, at the price of about one pass, and what it is worth."""

from __future__ import annotations

from yolo_dropout.inference.predict import predict_with_dropout

__all__ = ["predict_with_dropout"]

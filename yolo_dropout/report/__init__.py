"""A study as one self-contained HTML page."""

from __future__ import annotations

from yolo_dropout.report.cautions import warnings_of
from yolo_dropout.report.data import ReportData
from yolo_dropout.report.page import render_report

__all__ = ["ReportData", "render_report", "warnings_of"]

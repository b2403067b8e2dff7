"""The report: one HTML page that holds all it needs."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping
from importlib import resources
from math import isfinite
from types import MappingProxyType
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from yolo_dropout.base.text import ABSENT, capital, number, rate_text
from yolo_dropout.report.cautions import warnings_of
from yolo_dropout.report.data import ReportData
from yolo_dropout.report.figures.rates import bars_words
from yolo_dropout.report.figures.series import block_words
from yolo_dropout.report.figures.style import colours
from yolo_dropout.report.payload import payload
from yolo_dropout.report.svg import inline_svg
from yolo_dropout.results.agreement import agreement
from yolo_dropout.spec.score import metric_name

SCRIPTS = ("d3.min.js", "plot.umd.min.js", "charts.js", "report.js")


def render_report(
    data: ReportData, *, live_version: str | None = None, pictures: Mapping[str, str] = MappingProxyType({})
) -> str:
    """The page as HTML text: nothing is loaded from elsewhere, and without scripts it still shows everything.

    Args:
        data: The study.
        live_version: Where the page is served while the study runs: what the server calls this state. The page
            then asks for newer ones.
        pictures: The study's figures as `to_svg` returns them, by stem; they take seconds to draw, so that a page that
            is served while the study runs does without.
    """
    scripts = [_static(name) for name in SCRIPTS]
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            live_version=live_version,
            policy=_policy(scripts, live=live_version is not None),
            scripts=[Markup(script) for script in scripts],
            style=Markup(_static("report.css")),
            palette=_palette(data.rates),
            payload=payload(data),
            figures=_pictures(data, pictures),
            warnings=warnings_of(data),
            agreement=agreement(*data.all_scores),
            headline=data.verdict.title if data.verdict else "No verdict yet",
            bars=_bars(data),
            incomplete=bool(data.scores.isna().any(axis=None)),
            rows=_rate_rows(data),
            score_rows=list(zip(block_words(data.scores), data.scores.to_numpy().tolist(), strict=True)),
            score_name=data.score.words,
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("yolo_dropout.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "rate": rate_text,
        "short": _short,
        "whole": lambda value: f"{value:.0f}" if _is_number(value) else ABSENT,
        "p": _p,
        "raw": _raw,
        "duration": _duration,
        "block": _block,
        "capital": capital,
        "metric": metric_name,
    }
    return environment


def _static(name: str) -> str:
    return (resources.files("yolo_dropout.report") / "static" / name).read_text(encoding="utf-8")


def _policy(scripts: Iterable[str], *, live: bool) -> str:
    """Content security policy: these very scripts and nothing else; no request but to the page's own server."""
    hashes = " ".join(f"'sha256-{b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    connect = "'self'" if live else "'none'"
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; connect-src {connect}"


def _palette(rates: list[float]) -> Markup:
    """Colour variables by place of the rate, for light pages and paper, and for dark screens."""
    light, dark = (
        ";".join(f"--rate-{place}:{colour}" for place, colour in enumerate(colours(rates, dark=on_dark).values()))
        for on_dark in (False, True)
    )
    return Markup(f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}")


def _pictures(data: ReportData, drawn: Mapping[str, str]) -> dict[str, Markup]:
    palette = colours(data.rates)
    return {stem: Markup(inline_svg(svg, stem, palette)) for stem, svg in drawn.items()}


def _rate_rows(data: ReportData) -> list[dict[str, Any]]:
    """One row per rate: the summary beside the comparison to the control."""
    comparisons = {c.rate: c for c in data.verdict.comparisons} if data.verdict else {}
    summaries: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in data.summary.to_dict("records")]
    return [row | {"comparison": comparisons.get(float(row["rate"]))} for row in summaries]


def _block(record: Mapping[str, Any]) -> str:
    fold = record.get("fold")
    return f"{record['seed']}" if fold is None else f"{record['seed']} fold {fold}"


def _short(value: Any, among: Iterable[Any] = ()) -> str:
    """A number for reading; a dash where there is none."""
    if not _is_number(value):
        return ABSENT
    return number(float(value), [float(x) for x in among if _is_number(x)])


def _bars(data: ReportData) -> str:
    if data.verdict is None or all(c.low is None for c in data.verdict.shown):
        return ""
    return bars_words(data.verdict, data.block)


def _p(value: Any) -> str:
    """A p-value as papers print it."""
    if not _is_number(value):
        return ABSENT
    return "<0.001" if value < 0.0005 else f"{value:.3f}"


def _raw(value: Any) -> str:
    """A number in full, as the tables on disk have it; empty where there is none."""
    return repr(float(value)) if _is_number(value) else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not pd.isna(value) and isfinite(value)


def _duration(seconds: Any) -> str:
    """Seconds as people say them: 48 s, 12 min, 3 h 05 min."""
    if not _is_number(seconds):
        return ABSENT
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{minutes} min" if hours == 0 else f"{hours} h {minutes:02d} min"

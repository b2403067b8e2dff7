"""The report: one HTML page that holds all it needs, the numbers that its script draws among them."""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from math import floor, isfinite, log10
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from yolo_dropout.base.text import ABSENT, Label, capital, counted, duration, is_control, label_text, number
from yolo_dropout.folder.records import RunRecord
from yolo_dropout.report.cautions import warnings_of
from yolo_dropout.report.figures import PHOTOGRAPHS, series
from yolo_dropout.report.figures.rates import band_words, bars_words, paired_words
from yolo_dropout.report.figures.render import inline_svg
from yolo_dropout.report.figures.style import colours
from yolo_dropout.report.payload import payload
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.results.new_images import in_words
from yolo_dropout.results.shift import by_treatment
from yolo_dropout.spec.runs import block_name
from yolo_dropout.spec.score import metric_name
from yolo_dropout.spec.treatment import Treatment

SCRIPTS = ("d3.min.js", "plot.umd.min.js", "charts.js", "report.js")
MORE_FILES = ("shift.csv", "calibration.csv", "classes.csv", "new_images.csv")
# The folders of an absolute path: of this system, or of Windows.
_FOLDERS = re.compile(r"(?<![\w./:~])(?:[A-Za-z]:(?=\\)|~?(?=/))(?:[/\\][^\s/\\'\",;:()\[\]<>]+)+[/\\](?=[^\s/\\])")
STILL = ("shift_severity", "shift_map", "class_map")
FILES = ("curves.csv", "scores.csv", "summary.csv", "verdict.json")


def render_report(
    study: StudyResults, *, live_version: str | None = None, pictures: Mapping[str, str] = MappingProxyType({})
) -> str:
    """The page as HTML text: nothing is loaded from elsewhere, and without scripts it still shows everything.

    Args:
        study: What it shows.
        live_version: Where it is served while the study runs: what the server calls this state. It asks for newer ones.
        pictures: The figures as `to_svg` or `to_inline_jpeg` returns them, by stem; they take seconds to draw, so a
            live page has none.

    Raises:
        InputError: No run has finished.
        ScoresError: No seed has both the control and another treatment.
    """
    labels, named, verdict = study.spec.labels, study.spec.named, study.verdict
    scripts, palette = [_static(name) for name in SCRIPTS], colours(labels)
    template = _environment().get_template("report.html.j2")
    return template.render(
        study=study,
        verdict=verdict,
        noun=verdict.noun,
        control=verdict.named(verdict.control),
        paired=paired_words(verdict),
        planned=len(study.due) if study.ours else 0,
        command=_command(study),
        files=(*FILES, *(name for name in MORE_FILES if (study.folder.path / name).is_file())),
        live_version=live_version,
        policy=Markup(_policy(scripts, live=live_version is not None)),
        scripts=[Markup(script) for script in scripts],
        style=Markup(_static("report.css")),
        palette=_palette(labels),
        payload=payload(study),
        figures={stem: Markup(_still(stem, drawn, palette)) for stem, drawn in pictures.items()},
        shifted=by_treatment(study) if study.table.shifted else None,
        new_images_told=in_words(study),
        warnings=warnings_of(study),
        bars=band_words(verdict) + bars_words(verdict, study.block),
        incomplete=bool(study.scores.isna().any(axis=None)),
        rows=list(zip(labels, study.summary.to_dict("records"), [None, *verdict.comparisons], strict=True)),
        score_rows=list(zip(series.block_names(study.scores), study.scores.to_numpy().tolist(), strict=True)),
        asked=study.spec.as_dict()
        | ({"treatments": [f"{item.name}: {item.words}" for item in named]} if named else {}),
        applied={item.name: _applied(study, item) for item in named},
        place=lambda record: _place(study, record),
    )


def _still(stem: str, drawn: str, palette: Mapping[Label, str]) -> str:
    """A picture for the page; one that the script draws nothing in the place of stays where it is."""
    if stem in PHOTOGRAPHS:
        return drawn
    svg = inline_svg(drawn, stem, palette)
    return svg.replace('class="static"', 'class="still"', 1) if stem in STILL else svg


@cache  # to compile the template takes longer than to fill it
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("yolo_dropout.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_without_folders,
    )
    environment.filters |= {"even": _even}
    environment.globals |= {"gains_of": _gains}
    environment.filters |= {"label": label_text, "short": number, "p": _p, "raw": _raw, "duration": duration}
    environment.filters |= {"capital": capital, "metric": metric_name}
    environment.globals |= {"block_name": block_name}
    environment.tests |= {"control": is_control}
    return environment


@pass_context
def _without_folders(context: Context, value: Any) -> Any:
    """Text of a page, which is shared, without the folders of the machine that it was made on."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _FOLDERS.sub("", value.replace(f"{context['study'].folder.path}{os.sep}", ""))


def _even(value: float | None, among: Iterable[float | None]) -> str:
    """A value in a column, with as many decimals as all of it."""
    finite = [x for x in among if x is not None and isfinite(x)]
    decimals = max((len(number(x, finite).partition(".")[2]) for x in finite), default=0)
    # One value that is far off must not round all others to nothing.
    least = min((abs(x) for x in finite if x), default=1.0)
    decimals = min(max(decimals, 1 - floor(log10(least))), decimals + 2)
    return ABSENT if value is None or not isfinite(value) else f"{value:.{decimals}f}"


def _gains(comparisons: Iterable[Any]) -> list[float | None]:
    """All that the columns of improvements and of their limits hold."""
    plain = [item if isinstance(item, Mapping) else vars(item) for item in comparisons]
    return [item.get(name) for item in plain for name in ("difference", "low", "high", "new_low", "new_high")]


def _static(name: str) -> str:
    return (resources.files("yolo_dropout.report") / "static" / name).read_text(encoding="utf-8")


def _policy(scripts: Iterable[str], *, live: bool) -> str:
    """Content security policy: these very scripts and nothing else; no request but to the page's own server."""
    hashes = " ".join(f"'sha256-{b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    connect = "'self'" if live else "'none'"
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; connect-src {connect}"


def _palette(labels: Sequence[Label]) -> Markup:
    """Colour variables by place of the treatment, for light pages and paper, and for dark screens."""
    light, dark = (
        ";".join(f"--rate-{place}:{colour}" for place, colour in enumerate(colours(labels, dark=on_dark).values()))
        for on_dark in (False, True)
    )
    return Markup(f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}")


def _command(study: StudyResults) -> str:
    """The command that repeats the study; empty where that is not in this folder."""
    return "yolo-dropout sweep --config study.yaml --out ." if study.folder.spec.exists() else ""


def _place(study: StudyResults, record: RunRecord) -> str:
    """The run's folder relative to the page; empty where that lies elsewhere."""
    folder = study.folder.run(record.run.name).path
    return folder.relative_to(study.folder.path).as_posix() if folder.is_dir() else ""


def _applied(study: StudyResults, treatment: Treatment) -> str:
    """What a treatment's first run was really given, as its record says; empty where none has finished."""
    runs = (record for record in study.records if record.treatment == treatment.name and record.finished)
    record = next(runs, None)
    if record is None or not study.ours:
        return ""
    sites = [f"dropout at {counted(len(record.sites), 'site')}"] if record.sites else []
    return ", ".join([*sites, *(f"{name}={value}" for name, value in record.proof.get("train", {}).items())])


def _p(value: float | None) -> str:
    """A p-value as papers print it."""
    if value is None:
        return ABSENT
    return "<0.001" if value < 0.0005 else f"{value:.3f}"


def _raw(value: float | str | None) -> str:
    """A number, or a name, in full, as the tables on disk have it; empty where there is none."""
    if isinstance(value, str):
        return value
    return repr(float(value)) if value is not None and isfinite(value) else ""

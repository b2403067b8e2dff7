"""`yolo-dropout report`: tables, pictures and report anew, from studies or from plain Ultralytics runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from rich.console import Console

from yolo_dropout.base.files import atomic_path, write_text
from yolo_dropout.cli.output import FINISHED
from yolo_dropout.cli.sweep_options import sets
from yolo_dropout.cli.tell import tell
from yolo_dropout.errors import InputError
from yolo_dropout.folder.claim import check_report_free, is_study
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.report.progress import LineView
from yolo_dropout.report.publish import publish
from yolo_dropout.results.collect import StudyResults
from yolo_dropout.results.foreign import load_foreign_runs
from yolo_dropout.results.together import together
from yolo_dropout.spec.score import Score
from yolo_dropout.study import load_study, measure_study

_MEASURES = ("new_images", "calibration", "examples")
_ELSEWHERE = Path("runs") / "dropout" / "report"
# Beside a report that lies elsewhere than its runs: which these are.
_OF = ".report"


def report(options: Namespace) -> int:
    """Rebuild everything that is derived from runs."""
    places = [StudyFolder.at(folder, "DIR") for folder in options.folders]
    for place in places:
        if not place.path.is_dir():
            raise InputError(f"{place.path}: is no folder; give a study or run folders of Ultralytics")
    studies = [place for place in places if place.spec.exists() or is_study(place)]
    if studies and len(studies) < len(places):
        raise InputError(f"{studies[0].path}: is a study; give studies, or run folders only")
    asked = None if options.out is None else StudyFolder.at(options.out)
    alone = studies[0] if len(studies) == 1 else None
    out = asked or alone or StudyFolder.at(_ELSEWHERE)
    check_report_free(out, alone)
    _check_same(out, places, alone)
    browser = _browser() if options.pdf else None
    if studies:
        loaded = [load_study(place.path) for place in studies]
        measures = {name: getattr(options, name) for name in _MEASURES}
        if options.shift is not None or any(measures.values()):
            shift = [] if options.shift is None else sets(options.shift)
            loaded = [measure_study(study, shift, LineView(Console()), **measures) for study in loaded]
        first, *others = loaded
        study: StudyResults = _judged_by(first, options.score)
        study = replace(together(study, others) if others else study, folder=out)
    elif options.shift is not None:
        raise InputError("--shift: goes with studies; measure a checkpoint with yolo-dropout shift model=best.pt")
    elif wanted := [name for name in _MEASURES if getattr(options, name)]:
        option = f"--{wanted[0].replace('_', '-')}"
        raise InputError(f"{option}: goes with studies, which know their models and data; leave it out")
    else:
        study = load_foreign_runs([place.path for place in places], out.path, options.score or "val/loss")
    publish(study)
    if out != alone:
        write_text(out.path / _OF, "\n".join([*_names(places), ""]))
    if browser:
        _print(browser, out)
    tell(Console(), study)
    return FINISHED


def _browser() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
    if found := next(filter(None, map(shutil.which, names)), None):
        return found
    raise InputError("--pdf: needs Chromium or Chrome on the PATH; or print report.html from any browser")


def _print(browser: str, out: StudyFolder) -> None:
    sandbox = ["--no-sandbox"] if sys.platform != "win32" and os.geteuid() == 0 else []  # which refuses root
    with atomic_path(out.path / "report.pdf") as path:
        words = [browser, "--headless", *sandbox, "--disable-gpu", "--no-pdf-header-footer", f"--print-to-pdf={path}"]
        words.append(out.report.as_uri())
        told = ""
        with suppress(subprocess.TimeoutExpired):
            done = subprocess.run(words, capture_output=True, timeout=300, check=False)  # noqa: S603 - our own page
            if not done.returncode and path.exists() and path.stat().st_size:
                return
            told = "".join(f" ({line})" for line in done.stderr.decode(errors="replace").splitlines()[-1:])
        raise InputError(f"--pdf: {browser} printed no page{told}; print {out.report} from a browser instead")


def _check_same(out: StudyFolder, places: Sequence[StudyFolder], alone: StudyFolder | None) -> None:
    """Refuse to replace the report of other runs; more or fewer of a glob's runs are the same ones, grown."""
    with suppress(OSError):
        before = set((out.path / _OF).read_text(encoding="utf-8").splitlines())
        if out != alone and not before & set(_names(places)):
            raise InputError(f"--out: {out.path} holds the report of other runs; choose another folder")


def _names(places: Sequence[StudyFolder]) -> list[str]:
    """By which a report tells that it is of the same runs, without the paths of a machine."""
    return [sha256(str(place.path).encode()).hexdigest()[:12] for place in places]


def _judged_by(study: StudyResults, score: str | None) -> StudyResults:
    if score is None or Score.parse(score) == study.score:
        return study
    if study.spec.until_decided:
        stays = f"{study.spec.score} told when to stop adding seeds, so it stays; the report has other scores beside it"
        raise InputError(f"--score: {stays}")
    return replace(study, spec=replace(study.spec, score=score, min_gain=None))  # which is in units of the other

"""`yolo-dropout watch`: a study's report in the browser, while it runs."""

from __future__ import annotations

import time
from argparse import Namespace

from yolo_dropout.cli.exit_codes import FINISHED
from yolo_dropout.cli.serve import LivePage, serve
from yolo_dropout.errors import SpecError
from yolo_dropout.folder.layout import StudyFolder
from yolo_dropout.report.page import render_report
from yolo_dropout.study import load_study


def watch(options: Namespace) -> int:
    """Serve the report until Ctrl-C.

    Returns:
        0.

    Raises:
        YoloDropoutError: The folder holds no study, or the port is taken.
    """
    if not options.port.isdecimal():
        raise SpecError(f"port: must be a whole number, got {options.port!r}")
    folder = StudyFolder.at(options.folder, "DIR")
    load_study(folder.path)
    with serve(live_page(folder), int(options.port)) as address:
        print(f"{address} shows {folder.path}; Ctrl-C ends this, not the study", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            return FINISHED


def live_page(folder: StudyFolder) -> LivePage:
    """The report of a study as it now stands; its version is the newest record's time and their number."""

    def render(version: str) -> str:
        return render_report(load_study(folder.path), live_version=version)

    def version() -> str:
        times = [path.stat().st_mtime_ns for path in folder.runs.glob("*/run.json")]
        return f"{len(times)}-{max(times, default=0)}"

    return LivePage(render, version)

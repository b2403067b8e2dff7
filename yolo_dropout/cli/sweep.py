"""`yolo-dropout sweep`: words -> spec -> study -> exit code."""

from __future__ import annotations

import atexit
import gc
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from yolo_dropout.cli.cluster import cluster_from, executor_from
from yolo_dropout.cli.interrupts import Interrupts
from yolo_dropout.cli.output import FINISHED, INTERRUPTED, SOME_FAILED
from yolo_dropout.cli.sweep_options import sets, spec_from, with_stored
from yolo_dropout.errors import SpecError, YoloDropoutError
from yolo_dropout.executors import Backend, Executor
from yolo_dropout.executors.local.processes import warm_up
from yolo_dropout.executors.ultralytics.backend import ULTRALYTICS
from yolo_dropout.folder.layout import StudyFolder, default_out
from yolo_dropout.report.progress import view
from yolo_dropout.spec.study_spec import StudySpec


def sweep(options: Namespace, backend: Backend = ULTRALYTICS) -> int:
    """Run a study and tell its verdict; returns 0 when all runs have finished, 1 when some failed, 130 on interrupt."""
    spec = spec_from(options)
    out = StudyFolder.at(default_out(spec) if options.out is None else options.out).path
    executor = executor_from(options)
    warm_up(backend.preload)  # before the imports that take a while, so that both load at the same time
    if options.remedies:
        spec = _with_remedies(spec, executor, backend)
    spec = with_stored(spec, StudyFolder(out), rates_given=options.rates is not None or options.config is not None)
    atexit.register(gc.freeze)  # Python's last search for garbage, in all that was imported, takes half a second
    from yolo_dropout.cli.dry_run import dry_run
    from yolo_dropout.cli.tell import new_seeds, tell
    from yolo_dropout.executors.local.looking import check_asked, looks_of
    from yolo_dropout.study import run_study

    asked = {"retry_failed": options.retry_failed, "continue_broken": options.continue_broken}
    looks = {"new_images": options.new_images, "calibration": options.calibration}
    asked |= {**looks, "examples": options.examples}
    shift = [] if options.shift is None else sets(options.shift)
    if options.dry_run:
        check_asked(spec, shift, looks_of(**looks))
        return dry_run(spec, out, executor, backend, retry_failed=options.retry_failed)
    console = Console()
    with Interrupts(console) as interrupts, _served(out, console) if options.serve else nullcontext():
        try:
            with cluster_from(options), view(console, spec.epochs, lambda: interrupts.asked) as shown:
                study = run_study(spec, out, executor=executor, backend=backend, view=shown, shift=shift, **asked)
        except YoloDropoutError:
            if interrupts.asked:
                raise KeyboardInterrupt from None
            raise
    tell(console, study)
    if line := new_seeds(study):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if interrupts.asked and study.missing:
        return INTERRUPTED
    return SOME_FAILED if study.failed or study.missing else FINISHED


def _with_remedies(spec: StudySpec, executor: Executor, backend: Backend) -> StudySpec:
    if backend.remedies is None:
        raise SpecError("remedies: are not known for what trains here; name them with --treatment")
    with TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        found = executor.call(backend.remedies, spec, log=Path(scratch) / "remedies.log")
    return replace(spec, treatments=(*spec.treatments, *found))


@contextmanager
def _served(out: Path, console: Console) -> Iterator[None]:
    from yolo_dropout.cli.watch import live_page, serve

    with serve(live_page(StudyFolder(out))) as address:
        console.print(f"{address} shows the study while it runs", highlight=False)
        yield

"""`yolo-dropout sweep`: words -> spec -> study -> exit code."""

from __future__ import annotations

import atexit
import gc
import re
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from yolo_dropout.arguments import parse_key_values
from yolo_dropout.commands.cluster import check_executor, executor_from
from yolo_dropout.commands.interrupts import Interrupts
from yolo_dropout.embedded import default_study
from yolo_dropout.errors import SpecError, YoloDropoutError
from yolo_dropout.executors import Trainer
from yolo_dropout.executors.processes import warm_up
from yolo_dropout.executors.ultralytics_trainer import ULTRALYTICS
from yolo_dropout.exit_codes import FINISHED, INTERRUPTED, SOME_FAILED
from yolo_dropout.folder import read_config
from yolo_dropout.layout import StudyFolder
from yolo_dropout.output import printable
from yolo_dropout.progress import view
from yolo_dropout.spec import StudySpec

_MAX_SEEDS = "12"
_PLAIN_OPTIONS = ("score", "alpha", "where", "kind", "schedule")


def sweep(options: Namespace, trainer: Trainer = ULTRALYTICS) -> int:
    """Run a study and tell its verdict.

    Args:
        options: The parsed words.
        trainer: What trains.

    Returns:
        0 when all runs have finished, 1 when some failed, 130 when interrupted.

    Raises:
        YoloDropoutError: Something that was asked cannot be done.
    """
    spec = spec_from(options)
    out = Path(options.out) if options.out is not None else default_out(spec)
    jobs, per_gpu = _count("jobs", options.jobs), _count("per-gpu", options.per_gpu)
    timeout_s = _seconds("run-timeout", options.run_timeout)
    epochs = spec.epochs
    check_executor(options)
    warm_up()  # before the imports that take a while, so that both load at the same time
    atexit.register(gc.freeze)  # Python's last search for garbage, in all that was imported, takes half a second
    from yolo_dropout.commands.dry_run import dry_run
    from yolo_dropout.commands.tell import tell
    from yolo_dropout.study import run_study

    if options.dry_run:
        here = options.executor == "local"
        return dry_run(spec, out, jobs, per_gpu, trainer, here=here, retry_failed=options.retry_failed)
    console = Console()
    with Interrupts(console) as interrupts, _served(out, console) if options.serve else nullcontext():
        try:
            with executor_from(options, jobs, timeout_s) as executor, view(console, epochs) as shown:
                study = run_study(
                    spec,
                    out,
                    jobs=jobs,
                    per_gpu=per_gpu,
                    run_timeout_s=timeout_s,
                    executor=executor,
                    trainer=trainer,
                    retry_failed=options.retry_failed,
                    continue_broken=options.continue_broken,
                    on_plan=shown.plan,
                    on_event=shown.show,
                    on_note=lambda note: console.print(
                        escape(printable(note)), style="yellow", highlight=False, soft_wrap=True
                    ),
                    stopped=lambda: interrupts.asked,
                )
        except YoloDropoutError:
            if interrupts.asked:
                raise KeyboardInterrupt from None
            raise
    tell(console, study)
    if interrupts.asked and study.missing:
        return INTERRUPTED
    return SOME_FAILED if study.failed or study.missing else FINISHED


@contextmanager
def _served(out: Path, console: Console) -> Iterator[None]:
    from yolo_dropout.commands.watch import live_page
    from yolo_dropout.serve import serve

    with serve(live_page(StudyFolder(out.resolve()))) as address:
        console.print(f"{address} shows the study while it runs", highlight=False)
        yield


def spec_from(options: Namespace) -> StudySpec:
    """The spec that the words ask for: a config or the embedded study, then what is given beside it.

    Raises:
        SpecError: Something given breaks a rule.
    """
    given = parse_key_values(options.key_values)
    values = _base(options.config, given)
    for name in ("model", "data"):
        if name in given:
            values[name] = str(given.pop(name))
    train = values.get("train") or {}
    if not isinstance(train, dict):
        raise SpecError(f"train: must map arguments of YOLO.train to values, got {train!r}")
    values["train"] = {**train, **given}
    if options.rates is not None:
        values["rates"] = tuple(options.rates)
    values |= _blocks(options, values)
    if options.folds is not None:
        values["folds"] = int(options.folds) if options.folds.isdecimal() else options.folds
    values |= {name: getattr(options, name) for name in _PLAIN_OPTIONS if getattr(options, name) is not None}
    return StudySpec.from_dict(values, options.config or "sweep")


def _blocks(options: Namespace, config: Mapping[str, Any]) -> dict[str, Any]:
    """What `--seeds`, `--until-decided` and `--max-seeds` ask for, beside a config."""
    already = bool(config.get("until_decided"))
    if options.max_seeds is not None:
        if not (options.until_decided or already):
            raise SpecError(f"max-seeds: goes with --until-decided, got {options.max_seeds}; otherwise use --seeds")
        if options.seeds is not None:
            raise SpecError(f"max-seeds: cannot go with --seeds, got {options.max_seeds}; leave one out")
        return {"until_decided": True, "seeds": _seeds([options.max_seeds])}
    seeds = {} if options.seeds is None else {"seeds": _seeds(options.seeds)}
    if options.until_decided and not already:
        named = options.config is not None and isinstance(config.get("seeds"), list)
        return {"until_decided": True, **({} if named else {"seeds": _seeds([_MAX_SEEDS])}), **seeds}
    return seeds


def _base(config: str | None, given: dict[str, Any]) -> dict[str, Any]:
    if config is not None:
        return read_config(Path(config))
    asked = [name for name in ("model", "data") if name in given]
    if not asked:
        return read_config(default_study())
    if len(asked) == 1:
        other = {"model": "data=coco8.yaml", "data": "model=yolo26n.pt"}[asked[0]]
        raise SpecError(f"{asked[0]}: needs the other too; add for instance {other}, or leave both out for the demo")
    return {}


def _seeds(words: Sequence[str]) -> int | tuple[int, ...]:
    try:
        seeds = [int(word) for word in words]
    except ValueError:
        raise SpecError(f"seeds: must be whole numbers, got {' '.join(words)!r}; for instance --seeds 3") from None
    return seeds[0] if len(seeds) == 1 else tuple(seeds)


def _count(name: str, word: str | None) -> int | None:
    if word in (None, "auto"):
        return None
    if not re.fullmatch(r"[1-9]\d{0,3}", word or ""):
        raise SpecError(f"{name}: must be auto or a whole number of at least 1, got {word!r}")
    return int(word or 1)


def _seconds(name: str, word: str | None) -> float | None:
    if word is None:
        return None
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise SpecError(f"{name}: must be a number of seconds above 0, got {word!r}")
    return seconds


def default_out(spec: StudySpec) -> Path:
    """`runs/dropout/MODEL-DATA`, from the names of both."""
    words = re.sub(r"[^A-Za-z0-9._-]+", "_", f"{spec.model_name}-{spec.data_name}").strip(".")[:200]
    return Path("runs") / "dropout" / words

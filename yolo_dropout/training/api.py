"""The two ways to train: as Ultralytics does, and lean, as a study does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from yolo_dropout.errors import InputError, SpecError
from yolo_dropout.sites.plan import Dropout, check_select
from yolo_dropout.training.models import branch_note, can_go_on, load_model
from yolo_dropout.training.preparation import versions, with_defaults
from yolo_dropout.training.record import plan_to_resume, read_record

OnEpoch = Callable[[dict[str, float]], None]


@dataclass(frozen=True)
class TrainedRun:
    """What a training left.

    Attributes:
        metrics: What Ultralytics returned.
        save_dir: Folder of the training.
        results_csv: Its curves.
        best: Checkpoint of the epoch with the best fitness, or the lowest validation loss; see `select`.
        last: Checkpoint of the last epoch.
        sites: Names of the modules where dropout acted, read from the live model.
        proof: Sites, rates by epoch, and whether training passes of the live model differed while those of evaluation
            did not; JSON-able.
        arguments: All arguments of the training, as its trainer had them.
    """

    metrics: Any
    save_dir: Path
    results_csv: Path
    best: Path
    last: Path
    sites: tuple[str, ...]
    proof: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)


def train_with_dropout(
    model: Any,
    *,
    dropout: float = 0.0,
    where: str = "head",
    kind: str = "auto",
    schedule: str = "constant",
    select: str | None = None,
    **train_args: Any,
) -> TrainedRun:
    """Train as `YOLO(model).train(**train_args)` does, with dropout that acts.

    At rate 0.0 the training is stock Ultralytics' to the last digit of `results.csv`.

    Args:
        model: A path, a name, or a `YOLO` object.
        dropout: Drop probability in [0, 1).
        where: See `find_sites`.
        kind: See `find_sites`.
        schedule: `constant`; `linear`, from 0 up to the rate; `early:N`, from the rate down to 0 in N epochs;
            `late:N`, 0 for N epochs, then the rate.
        select: `val/loss` makes `best.pt` and `patience` follow the sum of the validation losses; by default they
            follow Ultralytics' fitness, which is mAP50-95 or accuracy.
        **train_args: Any argument of `YOLO.train` except `model`, which is the first one here, and several data sets as
            `data`; a `trainer` class of your own gets dropout too. With `resume=True` the dropout of the interrupted
            training is put back, and none needs to be given. Stock Ultralytics, which knows of none outside
            classification, resumes it without.

    Returns:
        The finished training.

    Raises:
        SpecError: An argument breaks its rule.
        SiteError: A rate above 0 finds no site, or dropout there does not act.
        InputError: The model or the checkpoint to resume cannot be used.
    """
    return _train(model, Dropout(dropout, where, kind, schedule), train_args, select=select)


def train_lean(model: Any, *, on_epoch: OnEpoch | None = None, **arguments: Any) -> TrainedRun:
    """Train with the same numbers as `train_with_dropout`, whose arguments and errors it has, and less beside them.

    Checkpoints are held in memory and written at most once a minute and at the end. There are no plots and no second
    evaluation of the best checkpoint, unless `plots=True` asks for both. In multi-GPU training only the plots are off.

    `on_epoch` is called with every row of `results.csv` as it is written: `epoch` and the metrics. It is not called in
    multi-GPU training, whose epochs run in other processes.
    """
    fields = {"dropout": "rate", "where": "where", "kind": "kind", "schedule": "schedule"}
    plan = Dropout(**{field: arguments.pop(name) for name, field in fields.items() if name in arguments})
    select = arguments.pop("select", None)
    return _train(model, plan, {"plots": False, **arguments}, select=select, lean=True, on_epoch=on_epoch)


def _train(
    model: Any,
    plan: Dropout,
    train_args: dict[str, Any],
    *,
    select: str | None,
    lean: bool = False,
    on_epoch: OnEpoch | None = None,
) -> TrainedRun:
    check_select(select)
    _refuse(train_args, plan)
    from yolo_dropout.sites import find_sites
    from yolo_dropout.training.lean.checkpoints import not_read_again
    from yolo_dropout.training.trainer import trainer_class

    yolo = load_model(model)
    if train_args.get("resume"):
        plan = plan_to_resume(_resumable(yolo, train_args["resume"]), plan)
        select = _selected(yolo, select)
    if plan.rate > 0:
        find_sites(yolo, plan.where, plan.kind)  # before anything is written
    stock = train_args.pop("trainer", None) or yolo
    cls = trainer_class(stock, plan, lean=lean, by_loss=select is not None, on_epoch=on_epoch)
    with not_read_again(yolo) if lean else nullcontext():
        metrics = yolo.train(trainer=cls, **{**train_args, "dropout": plan.rate})
    return _finished(yolo, plan, metrics)


def _refuse(train_args: dict[str, Any], plan: Dropout) -> None:
    with_defaults({name: value for name, value in train_args.items() if name != "trainer"})
    if (cfg := train_args.get("cfg")) is not None:
        from ultralytics.cfg import cfg2dict

        # Ultralytics reads arguments from that file; dropout is an argument here, and would silently win.
        rate = cfg2dict(cfg).get("dropout") or 0.0
        if rate not in (0.0, plan.rate):
            raise SpecError(f"dropout: {cfg} says {rate}, which is not taken from there; pass dropout={rate} as well")
    epochs = train_args.get("epochs")
    if isinstance(epochs, int) and not train_args.get("resume"):
        plan.check_epochs(epochs, compiled=bool(train_args.get("compile")))


def _resumable(yolo: Any, resume: Any) -> Path:
    """The checkpoint to go on from. Ultralytics would start a new training from a finished one without a word."""
    last = Path(str(yolo.ckpt_path if resume is True else resume))
    if not last.is_file():
        raise InputError(f"resume: needs a last.pt, got {last}; pass it as the model, or as resume=<path>")
    if resume is True and not can_go_on(yolo):
        raise InputError(f"resume: {last} is of a finished training; leave resume out to start a new one from it")
    return last


def _selected(yolo: Any, select: str | None) -> str | None:
    """What selected `best.pt` in the training that is resumed: only the loss makes a fitness below zero."""
    had = "val/loss" if (yolo.ckpt.get("best_fitness") or 0.0) < 0 else None
    if select not in (None, had):
        raise SpecError(f"select: a resumed training keeps its own, got {select!r}; leave it out, or start a new one")
    return had


def _finished(yolo: Any, plan: Dropout, metrics: Any) -> TrainedRun:
    trainer = yolo.trainer
    save_dir = Path(trainer.save_dir)
    # A multi-GPU training ran in other processes: what it did is in the file, not in this trainer.
    acted = read_record(save_dir) if plan.rate > 0 else None
    proof = acted or {**asdict(plan), "sites": [], "rates": []}
    proof |= {"branch_note": branch_note(yolo, nms=trainer.args.nms), "versions": versions()}
    csv, best, last = map(Path, (trainer.csv, trainer.best, trainer.last))
    return TrainedRun(metrics, save_dir, csv, best, last, tuple(proof["sites"]), proof, dict(vars(trainer.args)))

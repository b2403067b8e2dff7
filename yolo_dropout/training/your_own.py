"""Dropout in trainings that you start yourself: with `YOLO.train`, and a trainer class of your own."""

from __future__ import annotations

from functools import partial
from typing import Any

from yolo_dropout.errors import SiteError
from yolo_dropout.sites import Dropout, Site, acting, find_sites
from yolo_dropout.sites.plan import check_select
from yolo_dropout.training.trainer import trainer_class


def dropout_trainer(  # noqa: PLR0917 - the fields of `Dropout` in their order
    of: Any,
    dropout: float,
    where: str = "head",
    kind: str = "auto",
    schedule: str = "constant",
    select: str | None = None,
) -> type:
    """A trainer class for `YOLO.train(trainer=...)`, with dropout that acts and stock checkpoints.

    Its folder holds `dropout.json`: where dropout acted, and at which rate in which epoch. Callbacks find the same in
    `trainer.dropout_record`.

    Args:
        of: The `YOLO` object that will train, or a trainer class: Ultralytics' own or a subclass of yours.
        dropout: Drop probability in [0, 1).
        where: See `find_sites`.
        kind: See `find_sites`.
        schedule: See `train_with_dropout`.
        select: See `train_with_dropout`.

    Returns:
        A subclass, which multi-GPU training can send to its processes.

    Raises:
        SpecError: An argument breaks its rule.
        SiteError: The `YOLO` object has no such site.
    """
    check_select(select)
    plan = Dropout(dropout, where, kind, schedule)
    if hasattr(of, "task_map") and plan.rate:
        find_sites(of, where, kind)
    return trainer_class(of, plan, lean=False, by_loss=select is not None)


def apply_dropout(model: Any, rate: float, where: str = "head", kind: str = "auto") -> tuple[Site, ...]:
    """Make dropout act in a model, in place. Earlier dropout of ours is taken out first.

    Of a `YOLO` object, `train` builds the network anew, by a trainer. That one then has dropout too, on several GPUs as
    well, and checkpoints are stock: all as with `dropout_trainer`, which also knows schedules.

    Args:
        model: A `YOLO` object or an Ultralytics network.
        rate: Drop probability in [0, 1). 0.0 takes dropout out.
        where: See `find_sites`.
        kind: See `find_sites`.

    Returns:
        The sites where it now acts; empty at rate 0.0.

    Raises:
        SpecError: An argument breaks its rule.
        SiteError: The model has no such site.
    """
    plan = Dropout(rate, where, kind)  # a rate that is none leaves all as it is
    strip_dropout(model)
    sites = acting.apply_dropout(model, rate, where, kind)
    if sites and hasattr(model, "task_map"):
        model.train = partial(_train, model, plan)
        model.tune = _refuse_tune
    return sites


def strip_dropout(model: Any) -> None:
    """Take out what `apply_dropout` put in, in place: the model is stock again, and so are its next trainings.

    Args:
        model: A `YOLO` object or a network.
    """
    if vars(model).get("tune") is _refuse_tune:
        del model.tune, model.train
    acting.strip_dropout(model)


def _train(yolo: Any, plan: Dropout, trainer: Any = None, **train_args: Any) -> Any:
    """`YOLO.train` of an object that dropout was applied to; with a trainer that has its own, that one counts."""
    ours = trainer if hasattr(trainer, "dropout_plan") else trainer_class(trainer or yolo, plan, lean=False)
    return type(yolo).train(yolo, trainer=ours, **train_args)


def _refuse_tune(*_: Any, **__: Any) -> None:
    raise SiteError("tune: trains in processes that know of no apply_dropout; tune without, then train_with_dropout")

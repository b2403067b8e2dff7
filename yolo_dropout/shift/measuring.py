"""A checkpoint and a data set -> metrics and validation losses by corruption and severity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from yolo_dropout.errors import InputError
from yolo_dropout.shift.sets import SEVERITIES, Pass, passes_of
from yolo_dropout.spec.arguments import NO_MATTER, known_arguments
from yolo_dropout.training.models import load_model, quiet
from yolo_dropout.training.preparation import check_args

if TYPE_CHECKING:
    import pandas as pd

    from yolo_dropout.shift.images import Images

LOSS = "val/loss"
# What a process may hold of models that are measured, bytes: fifty of a nano's.
BUDGET = 500_000_000
# Where the training's images lay, and what those of its arguments say that are about files.
_ELSEWHERE = NO_MATTER | {"model", "data", "cfg", "time"}
_OFF = {"plots": False, "save_json": False, "save_txt": False, "save_conf": False, "verbose": False}


def measure_shift(
    model: Any,
    data: str | Path,
    *,
    corruptions: str | Iterable[str] = "benchmark",
    severities: Iterable[int] = SEVERITIES,
    **arguments: Any,
) -> pd.DataFrame:
    """Metrics and validation losses of a checkpoint on corrupted validation images; no file is changed.

    The clean pass, corruption `none` at severity 0, is what a training's validation says of that checkpoint.

    Args:
        model: A checkpoint with trained weights, by path or name, or a `YOLO` object, of any task.
        data: A data YAML, a folder (classification), or a name that Ultralytics knows.
        corruptions: Sets (`benchmark`, `all`, `noise`, `blur`, `weather`, `digital`, `holdout`, `driving`, `xray`) or
            single corruptions by name.
        severities: Of 1 to 5.
        **arguments: Of `YOLO.train`, such as `imgsz`, `batch`, `split` and `device`; by default what the checkpoint was
            trained with, on a GPU where there is one.

    Returns:
        Columns corruption, group, severity, metric (as in `results.csv`, `val/loss` is the sum of the losses), value.

    Raises:
        SpecError: A corruption or severity is not known, or the library of corruptions is not installed.
        InputError: Model or data cannot be used, or do not fit each other.

    References:
        Michaelis et al. 2019, "Benchmarking robustness in object detection", arXiv 1907.07484.
    """
    from yolo_dropout.shift.tables import as_table

    found = measured([model], str(data), passes_of(corruptions, severities), arguments)
    return as_table(row for _, rows in found for row in rows.items())


def measured(
    models: Sequence[Any],
    data: str,
    passes: Sequence[Pass],
    arguments: Mapping[str, Any],
    known: Collection[tuple[int, Pass]] = (),
) -> Iterator[tuple[int, dict[Pass, dict[str, float]]]]:
    """What each model says of each pass, corruption by corruption: its images are made once for all models.

    Args:
        models: Checkpoints of one task and data set, or `YOLO` objects.
        data: The data set.
        passes: What to do with its images, those of a corruption beside each other.
        arguments: Of `YOLO.train`, instead of those of the trainings.
        known: Models, by their place, and passes that need not be measured.

    Yields:
        The model's place, and its metrics by pass of one corruption.
    """
    from yolo_dropout.shift.corruptions import library

    library()
    known, room, held = set(known), BUDGET, dict[int, Any]()
    shown: Any = None
    for _, group in groupby(passes, lambda item: item.corruption):
        at = list(group)
        todo = [(i, [what for what in at if (i, what) not in known]) for i in range(len(models))]
        show: dict[Pass, Any] = {}
        for i, missing in todo:
            if not missing:
                continue
            if (validate := held.get(i)) is None:
                yolo = checkpoint(models[i])
                args = arguments_of(yolo, arguments)
                shown = shown or _images(yolo, data, args)
                validate = validator_of(yolo, args, shown)
                size = sum(weight.nbytes for weight in yolo.model.state_dict().values())
                if size <= room:  # to read and build it for every corruption takes a quarter of the time
                    held[i], room = validate, room - size
            show = show or {what: shown.make(what) for what in at}
            rows = {}
            for what in missing:
                show[what]()
                rows[what] = validate()
            yield i, rows


def arguments_of(yolo: Any, given: Mapping[str, Any]) -> Any:
    """The arguments to validate with: those of the checkpoint's training that matter, then what is given."""
    trained = {name: value for name, value in yolo.ckpt.get("train_args", {}).items() if name in known_arguments()}
    args = check_args({**{k: v for k, v in trained.items() if k not in _ELSEWHERE}, **given})
    vars(args).update(_OFF, task=yolo.task, mode="train")
    return args


def checkpoint(model: Any) -> Any:
    """A model with trained weights, as a `YOLO` object; an `InputError` for one without."""
    yolo = load_model(model)
    if not getattr(yolo, "ckpt", None):
        raise InputError(f"model: needs trained weights, got {model}; give a .pt")
    return yolo


def _images(yolo: Any, data: str, args: Any) -> Images:
    from yolo_dropout.shift.images import Images

    with quiet():
        return Images(yolo, data, args)


def validator_of(yolo: Any, args: Any, images: Images, look: Callable[[Any], None] = lambda _: None) -> Any:
    """A call that validates on what the images show, as the model's training does after every epoch.

    Args:
        yolo: The model.
        args: Its arguments; see `arguments_of`.
        images: What it is shown.
        look: Takes the validator after every batch.
    """
    from ultralytics.utils.torch_utils import select_device

    device = select_device("" if args.device is None else args.device, verbose=False)
    net = deepcopy(yolo.model).float().to(device)
    net.args, net.criterion = args, None
    net.criterion = net.init_criterion()
    cls = yolo.task_map[yolo.task]["trainer"]
    trainer = cls.__new__(cls)  # its constructor would start a training
    # Which losses there are a training knows from its first step, and this validation from its first batch.
    starts = {"on_val_start": [lambda validator: setattr(validator, "loss", defaultdict(float))]}
    starts |= {"on_val_batch_end": [look]}
    vars(trainer).update(
        args=args, data=images.data, model=net, device=device, test_loader=images.loader, loss_names=(), loss_items={},
        callbacks=defaultdict(list, starts), amp=args.amp not in (False, "fp32"), world_size=0, epoch=0, epochs=2,
        ema=SimpleNamespace(ema=net), stopper=SimpleNamespace(possible_stop=False),
    )  # fmt: skip

    def validate() -> dict[str, float]:
        with TemporaryDirectory() as folder, quiet():
            trainer.save_dir = Path(folder)
            values = trainer.get_validator()(trainer)
        del values["fitness"]
        losses = [value for name, value in values.items() if name.startswith("val/")]
        return {LOSS: round(sum(losses), 6), **values} if LOSS not in values else values

    return validate

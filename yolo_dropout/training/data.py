"""Look at a data set as the training will see it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from yolo_dropout.errors import InputError
from yolo_dropout.training import data_notes
from yolo_dropout.training.models import dry, offline, one_line, reachable

# Where Ultralytics' data sets keep the names of their label files, by task.
_LABELS = ("label_files", "mask_files", "depth_files")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What is about to be trained: a data set that can be trained on, and the model.

    Attributes:
        task: `detect`, `segment`, `pose`, `obb`, `classify`, `semantic` or `depth`.
        model_name: As the model calls itself.
        n_train: Training images.
        n_val: Validation images.
        n_classes: Classes.
        data_digest: Of the names and sizes of all images and labels; another one tells that they have changed.
        data_content: The same of the contents of text labels, and the sizes of those that are images.
        sites: Names of the sites at the highest rate; empty if that is 0.0.
        notes: Plain-word warnings.
        branch_note: Which branch the numbers describe; empty for heads with one branch.
        versions: Version by package.
    """

    task: str
    model_name: str = ""
    n_train: int
    n_val: int
    n_classes: int = 0
    data_digest: str | None = None
    data_content: str | None = None
    sites: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    branch_note: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


def look_at_data(yolo: Any, data: str, args: Any, *, pooled: bool = False) -> Prepared:
    """Check a data set for a model's task and write its label cache; of the model only the task is told.

    Runs that start together would each write the cache, and race: one does it here, before. `args` are training
    arguments, as Ultralytics' `get_cfg` returns them; pooled splits are cut anew into folds, and may share images.

    Raises:
        InputError: The data set is missing, empty, cannot be downloaded, is of another task, or holds loops of links.
    """
    spec = read_data(yolo.task, str(data), args)
    (train, told), (val, told_of_val) = (_build_and_tell(yolo, spec, args, mode) for mode in ("train", "val"))
    for name, dataset in (("train", train), ("val", val)):
        if len(dataset) == 0:
            raise InputError(f"data: {data} has no images for {name}; check its folders")
    facts = cache(data_notes.file_facts)  # each image is asked once: on some drives that takes long
    notes = [*told, *told_of_val, *_notes(args, train, val)]
    if not pooled and args.split != "train":
        notes += data_notes.shared(train, val, facts)
    digest, content = _digest(facts, train, val)
    return Prepared(
        task=yolo.task,
        n_train=len(train),
        n_val=len(val),
        n_classes=int(spec["nc"]),
        data_digest=digest,
        data_content=content,
        notes=tuple(dict.fromkeys(notes)),
    )


def _build_and_tell(yolo: Any, spec: dict[str, Any], args: Any, mode: str) -> tuple[Any, list[str]]:
    """A data set, and what is left out of it."""
    split = mode if mode == "train" else args.split
    if spec.get(split) is None:
        raise InputError(
            f"data: {spec.get('yaml_file') or spec['train'].parent} has no {split}; add one, or use split="
        )
    root = Path(spec.get("path") or spec["train"].parent).resolve()
    told = list(data_notes.passed_over(split, spec[split], root))  # first, because a loop of links can take for ever
    with data_notes.overheard() as heard:
        dataset = build_dataset(yolo, spec, args, mode)
    log = "\n".join(heard)
    told += data_notes.left_out(split, dataset, log, root)
    return dataset, told + (list(data_notes.lost_classes(dataset, log, args)) if mode == "train" else [])


def read_data(task: str, data: str, args: Any) -> dict[str, Any]:
    """The fields of a data set as Ultralytics resolves them: where its images are, its classes, and so on.

    Raises:
        InputError: The data set is missing, cannot be downloaded, or is of another task.
    """
    from ultralytics.data.utils import check_cls_dataset

    if task == "classify" and Path(data).suffix in (".yaml", ".yml"):
        raise InputError(f"data: a classify model needs a folder with train/ and val/ in it, got {data}")
    if task != "classify" and Path(data).is_dir() and not list(Path(data).glob("*.y*ml")):
        raise InputError(f"data: a {task} model needs a data YAML, got the folder {data}")
    try:
        if data.partition("?")[0].endswith(".ndjson"):
            return _converted(task, data, args)
        if task == "classify":
            _check_classify_there(data)
            return dict(check_cls_dataset(data, split=args.split))
        with patch("ultralytics.data.utils.check_font"):  # downloads one, for plots
            spec = _read_yaml(data, args)
    except InputError:
        raise
    except Exception as error:  # Ultralytics raises many kinds here, from OSError to SyntaxError
        raise InputError(f"data: {data} cannot be used: {one_line(error)}") from error
    if task == "pose" and "kpt_shape" not in spec:
        raise InputError(f"data: a pose model needs kpt_shape in {spec.get('yaml_file')}, such as [17, 3]")
    return spec


def _converted(task: str, data: str, args: Any) -> dict[str, Any]:
    """An NDJSON file, or a link to one, made a data set in Ultralytics' folder of those; once, for all runs."""
    from ultralytics.engine.trainer import BaseTrainer

    if offline() and ("://" in data or "://" in Path(data).read_text(encoding="utf-8")):
        raise InputError(f"data: the images of {data} cannot be downloaded{dry()}; give the data set made of it")
    trainer = BaseTrainer.__new__(BaseTrainer)
    trainer.args = copy(args)
    trainer.args.task, trainer.args.data = task, data
    return dict(trainer.get_dataset())


def _check_classify_there(data: str) -> None:
    from ultralytics.utils import ASSETS_URL, DATASETS_DIR

    there = Path(data).exists() or (Path(DATASETS_DIR) / data).exists() or ("://" in data and not offline())
    if not there and (len(Path(data).parts) > 1 or not reachable(f"{ASSETS_URL}/{data}.zip")):
        raise InputError(f"data: {data} does not exist and cannot be downloaded; give the folder with train/ and val/")


def _read_yaml(data: str, args: Any) -> dict[str, Any]:
    from ultralytics.data.utils import check_det_dataset
    from ultralytics.utils import YAML
    from ultralytics.utils.checks import check_file

    if "://" in data:
        if offline():
            raise InputError(f"data: {data} cannot be downloaded{dry()}")
        return dict(check_det_dataset(data, split=args.split))
    name = data if Path(data).suffix or Path(data).exists() else f"{data}.yaml"
    file = check_file(name, hard=False)
    if not file:
        raise InputError(f"data: {data} does not exist; give a data YAML, by path or by a name that Ultralytics has")
    try:
        return dict(check_det_dataset(file, autodownload=False, split=args.split))
    except FileNotFoundError as error:
        source = "" if Path(file).is_dir() else str(YAML.load(file).get("download") or "")
        if source and (not reachable(source) if source.lower().startswith("http") else offline()):
            told = f"are not here and cannot be downloaded: {source}{dry()}"
            raise InputError(f"data: the images of {data} {told}") from error
    return dict(check_det_dataset(file, split=args.split))


def build_dataset(
    yolo: Any, spec: dict[str, Any], args: Any, mode: str, batch: int = 1, *, write_cache: bool = True
) -> Any:
    """The data set, `train` or `val`, as the task's own trainer builds it, without a trainer: that starts loggers.

    The images of a batch share a shape in `val`, so that its size matters there. Without `write_cache` no label cache
    is left in the data set. An `InputError` tells of images or labels that cannot be used.
    """
    unsaved: Any = lambda _prefix, _path, labels, version: labels.update(version=version)  # noqa: E731
    saving = nullcontext() if write_cache else patch("ultralytics.data.dataset.save_dataset_cache_file", unsaved)
    cls = yolo.task_map[yolo.task]["trainer"]
    trainer = cls.__new__(cls)
    trainer.args, trainer.data, trainer.model = copy(args), spec, yolo.model
    trainer.args.task, trainer.args.cache, trainer.args.imgsz = yolo.task, False, args.imgsz or 224
    source = spec[mode if mode == "train" else args.split]
    try:
        # A label cache is a pickle, and whose this one is nobody knows: it is written anew, and the runs read that.
        with saving, patch("ultralytics.data.dataset.load_dataset_cache_file", side_effect=FileNotFoundError):
            return trainer.build_dataset(source, mode, batch)
    except Exception as error:  # one of many, for each way in which labels can be wrong
        raise InputError(
            f"data: {mode} of {spec.get('yaml_file', source)} cannot be used: {one_line(error.__cause__ or error)}"
        ) from error


def _digest(facts: data_notes.Facts, *datasets: Any) -> tuple[str, str]:
    """Not of paths, because data may move, nor of the contents of images: to read them all would take too long."""
    sizes, contents = hashlib.sha256(), hashlib.sha256()
    for dataset in datasets:
        for name in (*data_notes.images_of(dataset), *getattr(dataset, "label_files", ())):
            file = Path(name)
            sizes.update(f"{file.parent.name}/{file.name} {facts(name)[0]}\n".encode())
        for file in (Path(name) for kind in _LABELS for name in getattr(dataset, kind, ())):
            contents.update(_fingerprint(file))
    return sizes.hexdigest()[:16], contents.hexdigest()[:16]


def _fingerprint(file: Path) -> bytes:
    if not file.is_file():
        if file.exists():
            raise InputError(f"data: {file} must be a file, as a label is; remove it")
        return b"absent"
    # Another class often takes as many bytes.
    return hashlib.sha256(file.read_bytes()).digest() if file.suffix == ".txt" else b"%d " % file.stat().st_size


def _notes(args: Any, train: Any, val: Any) -> list[str]:
    told = []
    labels = val.labels if hasattr(val, "label_files") else [{}]  # what lacks a label that is an image is left out
    if args.split != "train" and not any(len(label.get("cls", (0,))) for label in labels):
        told.append("no validation image has a label, so losses and mAP say nothing")
    if args.batch > len(train):
        told.append(f"batch={args.batch} is more than the {len(train)} training images: one step an epoch")
    return told

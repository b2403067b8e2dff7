"""What Ultralytics leaves out of a data set, or counts twice, in plain words: it tells so in its log at most."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from yolo_dropout.base.text import few
from yolo_dropout.errors import InputError

_COLOUR = re.compile(r"\x1b\[\d+m")
# The prefix is that of the split which wrote the label cache, and so may be another one's.
_LEFT_OUT = re.compile(r"^(?:\w+: )?(.+?): ignoring (.+)$", re.MULTILINE)
_SKIPPED = re.compile(r"Skipping (\d+) samples from classes the model lacks: \[(.+)\]")
_LISTED = 5
Facts = Callable[[str], tuple[int | None, Hashable]]


@contextmanager
def overheard() -> Iterator[list[str]]:
    """What Ultralytics logs meanwhile, whatever of that is shown.

    A data set keeps no trace of an image that it leaves out, and its cache cannot be asked either: a folder that is
    read-only has none, and two splits may share one. The log has every such image with the reason, also where the
    cache is there from before.
    """
    from ultralytics.utils import LOGGER

    heard: list[str] = []

    def also_heard(tell: Callable[..., None]) -> Callable[..., None]:
        def told(text: Any, *args: Any, **kwargs: Any) -> None:
            heard.append(_COLOUR.sub("", str(text)))
            tell(text, *args, **kwargs)

        return told

    # A handler would hear nothing where the user has asked for quiet.
    with patch.multiple(LOGGER, info=also_heard(LOGGER.info), warning=also_heard(LOGGER.warning)):
        yield heard


def left_out(split: str, dataset: Any, log: str, root: Path) -> Iterator[str]:
    """Notes on images that cannot be used, by what was logged while the data set was built; paths are below `root`."""
    found = _LEFT_OUT.findall(log)
    if found:
        file, reason = (_below(root, text) for text in found[0])
        reason = reason.replace("No module named 'pi_heif'", "no image, or one that only pi-heif reads")
        whole = f"{len(found)} of {len(dataset) + len(found)} images"
        yield f"{split}: {whole} cannot be used and are left out, first {file} ({reason[:200]})"
    for count, classes in _SKIPPED.findall(log):
        yield f"{split}: images of classes that train lacks are left out: {classes[:200]} ({count} in all)"


def _below(root: Path, text: str) -> str:
    return text.replace(f"{root}{os.sep}", "")


def lost_classes(dataset: Any, log: str, args: Any) -> Iterator[str]:
    """A note on classes whose training images have all been left out, by what was logged meanwhile."""
    files = [file for file, _ in _LEFT_OUT.findall(log)]
    if not files or args.single_cls:
        return
    if hasattr(dataset, "root"):
        lost = sorted(_folders(dataset.root, files) - _folders(dataset.root, images_of(dataset)))
    else:
        lost = _lost_labels(dataset, files, args.classes)
    if lost:
        yield f"train: no image is left of class {few(lost, _LISTED)}"


def _folders(root: str, files: Iterable[str]) -> set[str]:
    holders = {file.rpartition(os.sep)[0] for file in files}  # few, so that paths are taken apart a few times only
    return {Path(os.path.relpath(holder, root)).parts[0] for holder in holders}


def _lost_labels(dataset: Any, files: Sequence[str], classes: Any) -> list[str]:
    """Names of the classes that only these files had, by labels that are text: to read masks again takes too long."""
    import numpy as np
    from ultralytics.data.utils import img2label_paths

    if not hasattr(dataset, "label_files"):
        return []
    names = dataset.data["names"]
    wanted = set(names) if classes is None else {int(number) for number in np.atleast_1d(classes)}
    wanted -= set(np.unique(np.concatenate([label["cls"].ravel() for label in dataset.labels])).astype(int).tolist())
    lost: set[int] = set()
    for file in filter(os.path.isfile, img2label_paths(list(files))):
        if lost == wanted:
            break
        with suppress(OSError):  # there is none, or it cannot be read
            first = re.findall(r"^\s*(\d+)\b", Path(file).read_text(encoding="utf-8-sig", errors="replace"), re.M)
            lost |= wanted & {int(number) for number in first}
    return [names.get(number, str(number)) for number in sorted(lost)]


def images_of(dataset: Any) -> list[str]:
    """Paths of the images that are used."""
    return getattr(dataset, "im_files", None) or [sample[0] for sample in dataset.samples]


def file_facts(file: str) -> tuple[int | None, Hashable]:
    """Size, and what tells files apart as `resolve` does, but sooner; None and the path where there is no file."""
    try:
        stat = Path(file).stat()
    except (OSError, ValueError):
        return None, file
    return stat.st_size, (stat.st_dev, stat.st_ino) if stat.st_ino else os.path.realpath(file)


def shared(train: Any, val: Any, facts: Facts) -> Iterator[str]:
    """A note on validation images that are training images too, by whatever paths or links."""
    trained = {facts(image)[1] for image in images_of(train)}
    validated = [facts(image)[1] for image in images_of(val)]
    count = sum(image in trained for image in validated)
    if count:
        much = "nothing" if count == len(validated) else "less"
        both = f"{count} of {len(validated)} validation images are training images too"
        yield f"{both}, so validation losses say {much} about new images"


def passed_over(split: str, source: Any, root: Path) -> Iterator[str]:
    """A note on folders that cannot be read and links that lead nowhere, in the folder or folders of a split.

    Text files of images are left to Ultralytics. Paths are told below `root`.

    Raises:
        InputError: A link leads back to a folder above it: Ultralytics would count each image some forty times. Or
            there is a pipe or a device, and whoever opens it would wait for ever.
    """
    folders = map(str, source if isinstance(source, list) else [source])
    errors = [error for folder in filter(os.path.isdir, folders) for error in _dead_ends(folder)]
    if errors:
        what = "folder or link" if len(errors) == 1 else "folders or links"
        first = f"{_below(root, str(errors[0].filename))} ({errors[0].strerror})"
        yield f"{split}: {len(errors)} {what} cannot be read, first {first}"


def _dead_ends(folder: str, above: frozenset[str] = frozenset()) -> Iterator[OSError]:
    from ultralytics.data.utils import IMG_FORMATS

    here = os.path.realpath(folder)
    if here in above:
        raise InputError(
            f"data: {folder} is a link to a folder that it is in, so images would count many times; remove it"
        )
    try:
        with os.scandir(folder) as entries:
            # Images that cannot be read are told by Ultralytics, and hidden folders are none of its business.
            shown = [entry for entry in entries if entry.name[0] != "."]
    except OSError as error:
        yield error
        return
    for entry in shown:
        if not (entry.is_symlink() or entry.is_file() or entry.is_dir()):  # known without asking the drive again
            raise InputError(f"data: {entry.path} is a pipe or a device, which a training would wait for; remove it")
    for entry in (entry for entry in shown if entry.name.rpartition(".")[2].lower() not in IMG_FORMATS):
        try:
            if entry.is_symlink():
                entry.stat()
            inside = entry.is_dir()
        except OSError as error:
            yield error
            continue
        if inside:
            yield from _dead_ends(entry.path, above | {here})

"""The files that a training reads: what must travel where there is no shared disk."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yolo_dropout.base.files import files_below
from yolo_dropout.errors import InputError

_SPLITS = ("train", "val", "test", "minival")
# Folders that Ultralytics looks for beside `images`, and what lies there for an image.
_FOLDERS = ("images", "labels", "masks", "depth")
_BESIDE_IMAGES = (".txt", ".png", ".npy")


@dataclass(frozen=True)
class InputFiles:
    """All files of one input of a training.

    Attributes:
        entry: Which of them the input is named by; empty for the folder that holds them.
        files: Each file, or its content, by its name relative to that folder.
    """

    entry: str
    files: Mapping[str, Path | bytes]


def input_files(model: str, data: str, train_args: Mapping[str, Any]) -> dict[str, InputFiles]:
    """The files of the model, the data set, and of whatever training argument names a file.

    A data set comes with a data YAML of its own, whose folders lie beside it. Label caches stay behind, because
    they hold paths.

    Returns:
        Files by argument: `data`, `model` unless Ultralytics itself ships it, and others.

    Raises:
        InputError: Model or data set cannot be used.
    """
    from ultralytics.cfg import DEFAULT_CFG, get_cfg

    from yolo_dropout.training.data import read_data
    from yolo_dropout.training.models import load_model

    yolo = load_model(model)
    found = read_data(yolo.task, data, get_cfg(DEFAULT_CFG, dict(train_args)))
    single = named_files({"model": str(yolo.ckpt_path or "") if not Path(model).is_file() else model, **train_args})
    return {"data": _classify_files(found) if yolo.task == "classify" else _yaml_files(found), **single}


def named_files(arguments: Mapping[str, Any]) -> dict[str, InputFiles]:
    """The file of each argument that names one."""
    paths = {name: Path(value) for name, value in arguments.items() if isinstance(value, str) and Path(value).is_file()}
    return {name: InputFiles(path.name, {path.name: path}) for name, path in paths.items()}


def _classify_files(found: Mapping[str, Any]) -> InputFiles:
    files: dict[str, Path | bytes] = {}
    for folder in {Path(found[split]) for split in _SPLITS if found.get(split)}:
        # A class counts where its folder is, even without an image.
        files |= {f"{folder.name}/{place.name}/.keep": b"" for place in folder.iterdir() if place.is_dir()}
        files |= {f"{folder.name}/{name}": path for name, path in files_below(folder, without=".cache").items()}
    return InputFiles("", files)


def _yaml_files(found: Mapping[str, Any]) -> InputFiles:
    import yaml

    splits = {split: found[split] for split in _SPLITS if found.get(split)}
    # A split that this study does not use may be absent.
    places = {
        split: [path for path in map(Path, value if isinstance(value, list) else [value]) if path.exists()]
        for split, value in splits.items()
    }
    folders_beside = {*_FOLDERS, found.get("masks_dir") or "masks"}
    images = [image for split in places.values() for place in split for image in _listed(place)]
    roots, beside = zip(*(_with_what_lies_beside(image, folders_beside) for image in images), strict=True)
    common = Path(os.path.commonpath(set(map(str, roots))))
    files: dict[str, Path | bytes] = {p.relative_to(common).as_posix(): p for paths in beside for p in paths}
    told = {key: value for key, value in found.items() if key not in ("path", "yaml_file", "download", *_SPLITS)}
    for split, folders in places.items():
        names = [_relative(place, common, files) for place in folders]
        told |= {split: names if isinstance(found[split], list) else names[0]} if names else {}
    files["data.yaml"] = yaml.safe_dump(told, sort_keys=False, allow_unicode=True).encode()
    return InputFiles("data.yaml", files)


def _relative(place: Path, common: Path, files: dict[str, Path | bytes]) -> str:
    """How the new data YAML names a folder, or a list of images; the list is written anew."""
    if place.is_dir():
        return place.relative_to(common).as_posix()
    lines = [f"./{image.relative_to(common).as_posix()}" for image in _listed(place)]
    name = f"{len(files)}-{place.name}"
    files[name] = "\n".join([*lines, ""]).encode()
    return name


def _listed(place: Path) -> list[Path]:
    """The images that a text file lists, as Ultralytics reads it; or the folder itself."""
    if place.is_dir():
        return [place]
    lines = place.read_text(encoding="utf-8-sig").strip().splitlines()
    paths = [place.parent / line[2:] if line.startswith("./") else Path(line) for line in lines]
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        raise InputError(f"data: {place} lists {missing}, which does not exist; correct the list")
    return [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - resolve() would follow links


def _with_what_lies_beside(place: Path, folders: Collection[str]) -> tuple[Path, list[Path]]:
    """The files of an image or a folder of images, with labels, masks or depths.

    Ultralytics finds those by writing another name for the last `images` in a path; without one, they lie beside.

    Returns:
        The folder that must be kept above them, and the files.
    """
    parts = place.parts
    if "images" not in parts:
        return place.parent, _files_like(place)
    at = len(parts) - 1 - parts[::-1].index("images")
    base, below = Path(*parts[:at]), Path(*parts[at + 1 :])
    return base, [path for folder in sorted(folders) for path in _files_like(base / folder / below)]


def _files_like(place: Path) -> list[Path]:
    if place.is_dir():
        return list(files_below(place, without=".cache").values())
    return [path for path in (place, *(place.with_suffix(suffix) for suffix in _BESIDE_IMAGES)) if path.is_file()]

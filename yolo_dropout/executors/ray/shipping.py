"""What travels to the nodes: model and data by their content, through Ray's object store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import ray

from yolo_dropout.errors import InputError
from yolo_dropout.executors.ray.archive import pack
from yolo_dropout.executors.ray.cache import ContentCache
from yolo_dropout.spec.study_spec import StudySpec
from yolo_dropout.training.inputs import InputFiles


@dataclass(frozen=True)
class ShippedFiles:
    """One input of a training, in the object store.

    Attributes:
        entry: What of it the input is named by.
        digest: SHA-256 of the archive.
        size_bytes: Of its files.
        chunks: References to the archive's chunks. The driver keeps them: a node that dies takes copies only.
    """

    entry: str
    digest: str
    size_bytes: int
    chunks: tuple[Any, ...]

    def content(self) -> Iterator[bytes]:
        """The archive, one chunk in memory at a time."""
        yield from map(ray.get, self.chunks)


ShippedInputs = Mapping[str, ShippedFiles]


def ship(inputs: Mapping[str, InputFiles], limit_gb: float) -> ShippedInputs:
    """Put the inputs of a training, by argument, into the object store.

    Raises:
        InputError: They are more than `limit_gb`, or cannot be read.
    """
    sizes = {name: _size(files) for name, files in inputs.items()}
    if sum(sizes.values()) > limit_gb * 1e9:
        largest = max(sizes, key=lambda name: sizes[name])
        raise InputError(
            f"{largest}: at most {limit_gb:g} GB are shipped, got {sum(sizes.values()) / 1e9:.3g} GB; use "
            "--data-in-place where all nodes see the same path, or raise --ship-limit"
        )
    return {name: _put(files, sizes[name]) for name, files in inputs.items()}


def _put(inputs: InputFiles, size_bytes: int) -> ShippedFiles:
    digest, chunks = hashlib.sha256(), []
    for chunk in pack(inputs.files):
        digest.update(chunk)
        chunks.append(ray.put(chunk))
    return ShippedFiles(inputs.entry, digest.hexdigest(), size_bytes, tuple(chunks))


def _size(inputs: InputFiles) -> int:
    return sum(len(file) if isinstance(file, bytes) else file.stat().st_size for file in inputs.files.values())


def spec_on_node(shipped: ShippedInputs, spec: StudySpec, cache: ContentCache) -> StudySpec:
    """The spec with the paths that its inputs have on this node, once they are there.

    Raises:
        InputError: They cannot be had, or do not fit in the cache.
    """
    places = {
        name: str(cache.fetch(files.digest, files.size_bytes, files.content) / files.entry)
        for name, files in shipped.items()
    }

    def here(train: Mapping[str, Any], key: Callable[[str], str] = str) -> dict[str, Any]:
        return {name: places.get(key(name), value) for name, value in train.items()}

    named = tuple(replace(item, train=here(item.train, item.place)) for item in spec.named)
    model, data = places.get("model", spec.model), places.get("data", spec.data)
    return replace(spec, model=model, data=data, train=here(spec.train), treatments=named)

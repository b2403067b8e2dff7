"""Folders as a stream of bytes, and back: how data sets go to other machines, and run folders come home."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

from yolo_dropout.errors import InputError

CHUNK_BYTES = 16_000_000


def pack(files: Mapping[str, Path | bytes]) -> Iterator[bytes]:
    """The files as a tar archive in chunks; equal names and contents make equal bytes.

    Args:
        files: Each file, or its content, by its name in the archive.

    Yields:
        Chunks of `CHUNK_BYTES`; the last may be shorter. One file at a time is held in memory.

    Raises:
        InputError: A file cannot be read.
    """
    held = bytearray()
    file: Any = SimpleNamespace(write=held.extend, tell=lambda: 0)  # as much of one as `tarfile` needs
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, source in sorted(files.items()):
            try:
                content = source if isinstance(source, bytes) else source.read_bytes()
            except OSError as error:
                raise InputError(f"{source!r}: cannot be read ({error.strerror}); check the file") from error
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
            while len(held) > CHUNK_BYTES:
                yield bytes(held[:CHUNK_BYTES])
                del held[:CHUNK_BYTES]
    yield bytes(held)


class _Chunks:
    """What `tarfile` reads from: chunks one after the other, and the SHA-256 of those that were read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._now, self.digest = iter(chunks), io.BytesIO(), hashlib.sha256()

    def read(self, size: int) -> bytes:
        while not (piece := self._now.read(size)):
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self.digest.update(chunk)
            self._now = io.BytesIO(chunk)
        return piece


def unpack(chunks: Iterable[bytes], folder: Path) -> str:
    """Write the files of an archive below a folder, and nothing outside it.

    Returns:
        SHA-256 of the archive.

    Raises:
        InputError: It is cut off, or holds a name that leads outside, a link or a device.
        OSError: A file cannot be written.
    """
    stream: Any = _Chunks(chunks)
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isreg() else None
                if content is None or not _stays_inside(entry.name):
                    raise InputError(f"archive: must hold plain files below its folder, got {entry.name!r}")
                target = folder / entry.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with content, target.open("xb") as file:
                    shutil.copyfileobj(content, file)
    except (tarfile.TarError, EOFError) as error:
        raise InputError(f"archive: is broken ({error}); it did not arrive whole") from error
    while stream.read(CHUNK_BYTES):  # what follows the last entry is part of the digest
        pass
    return str(stream.digest.hexdigest())


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name

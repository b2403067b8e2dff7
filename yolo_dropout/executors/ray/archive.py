"""Folders as a stream of bytes, and back: how data sets go to other machines, and run folders come home."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from yolo_dropout.errors import InputError

CHUNK_BYTES = 16_000_000
_BLOCK = 512


def pack(files: Mapping[str, Path | bytes]) -> Iterator[bytes]:
    """The files as a tar archive in chunks; equal names and contents make equal bytes.

    Args:
        files: Each file, or its content, by its name in the archive.

    Yields:
        Chunks of `CHUNK_BYTES`; the last may be shorter.

    Raises:
        InputError: A file cannot be read, or changes while it is read.
    """
    buffer = bytearray()
    for piece in _pieces(files):
        buffer += piece
        if len(buffer) >= CHUNK_BYTES:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


def _pieces(files: Mapping[str, Path | bytes]) -> Iterator[bytes]:
    for name, source in sorted(files.items()):
        try:
            with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
                yield from _entry(name, stream)
        except OSError as error:
            raise InputError(f"{source!r}: cannot be read ({error.strerror}); check the file") from error
    yield bytes(2 * _BLOCK)


def _entry(name: str, stream: BinaryIO) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    yield info.tobuf(tarfile.PAX_FORMAT)
    read = 0
    while piece := stream.read(min(CHUNK_BYTES, info.size - read)):
        read += len(piece)
        yield piece
    if read != info.size or stream.read(1):
        raise InputError(f"{name}: changed while it was read; run the same command again")
    yield bytes(-read % _BLOCK)


def unpack(chunks: Iterable[bytes], folder: Path) -> str:
    """Write the files of an archive below a folder, and nothing outside it.

    Returns:
        SHA-256 of the archive.

    Raises:
        InputError: It is cut off, or holds a name that leads outside, a link or a device.
        OSError: A file cannot be written.
    """
    digest = hashlib.sha256()
    stream = _Stream(iter(chunks), digest.update)
    try:
        with tarfile.open(fileobj=io.BufferedReader(stream), mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is None or not _stays_inside(member.name):
                    raise InputError(f"archive: must hold plain files below its folder, got {member.name!r}")
                target = folder / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                _write(target, content, member.size)
    except (tarfile.TarError, EOFError) as error:
        raise InputError(f"archive: is broken ({error}); it did not arrive whole") from error
    stream.drain()
    return digest.hexdigest()


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name


def _write(target: Path, content: io.BufferedIOBase | object, size: int) -> None:
    with target.open("xb") as file:
        left = size
        while left:
            piece = content.read(min(CHUNK_BYTES, left))  # type: ignore[union-attr]
            if not piece:
                raise EOFError(f"{target.name} is cut off")
            left -= file.write(piece)


class _Stream(io.RawIOBase):
    """Chunks as a file to read from; `seen` is told every chunk."""

    def __init__(self, chunks: Iterator[bytes], seen: Callable[[bytes], None]) -> None:
        self._chunks, self._seen = chunks, seen
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: object) -> int:
        view = memoryview(target)  # type: ignore[arg-type]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._seen(chunk)
            self._rest = memoryview(chunk)
        taken = min(len(view), len(self._rest))
        view[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken

    def drain(self) -> None:
        for chunk in self._chunks:
            self._seen(chunk)

"""Where checkpoints are written to: whole files, or memory."""

from __future__ import annotations

from pathlib import Path


class AtomicPath(type(Path())):  # type: ignore[misc]
    """A path that writes beside its file and then renames: a reader, or a kill, never meets half of one."""

    def write_bytes(self, data: bytes) -> int:
        """Write the whole file, or leave the old one."""
        aside = Path(f"{self}.tmp")
        written = aside.write_bytes(data)
        aside.replace(self)
        return written


class Memory:
    """What `save_model` needs of a path, without a file."""

    data: bytes = b""

    def mkdir(self, *, parents: bool, exist_ok: bool) -> None:
        """Nothing to make."""

    def write_bytes(self, data: bytes) -> None:
        """Keep the bytes."""
        self.data = data

"""Changes in order, kept in a file: what was written since a copy of a shard was taken."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import define, field

from adapters.embedded.qdrant_updates import KINDS, Change

_HEAD: Final = struct.Struct("<BQ")  # kind, bytes of the body


@define(eq=False)
class Journal:
    """Of one process: it need not outlive it, for the shard that was copied has all of it too."""

    path: Path
    size: int = 0  # bytes
    _file: int = field(init=False)
    _read: int = 0  # up to where

    def __attrs_post_init__(self) -> None:
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    @property
    def waiting(self) -> int:
        """Bytes that were not read yet."""
        return self.size - self._read

    def append(self, change: Change) -> None:
        """Keep it. Raises OSError where the disk is full."""
        for part in (_HEAD.pack(KINDS.index(change.kind), len(change.body)), change.body):
            written = 0
            while written < len(part):
                written += os.pwrite(self._file, memoryview(part)[written:], self.size + written)
            self.size += len(part)

    def read(self) -> Iterator[Change]:
        """Those that were not read yet, in order, also such as are appended meanwhile."""
        while self._read < self.size:
            kind, length = _HEAD.unpack(os.pread(self._file, _HEAD.size, self._read))
            body = os.pread(self._file, length, self._read + _HEAD.size)
            self._read += _HEAD.size + length
            yield Change(KINDS[kind], body)

    def close(self) -> None:
        """Remove it."""
        os.close(self._file)
        self.path.unlink(missing_ok=True)

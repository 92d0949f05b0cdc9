"""Original files."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from attrs import frozen


@frozen(kw_only=True)
class StoredFile:
    """What was stored: `size` in bytes, `sha256` hex of exactly these bytes, and the first bytes."""

    key: str
    size: int
    sha256: str
    head: bytes  # at most 8 KiB, enough to tell the format


@frozen(kw_only=True)
class KeptFile:
    """A key and when its bytes were put there."""

    key: str
    modified: datetime


class FileStore(Protocol):
    """Bytes under keys of the form ``{workspace}/{document}/{revision}``. Keys are made by us, never by clients.

    Raises `application.errors.FilesUnavailable` when the store cannot be used (also: disk full), and
    then nothing is left under the key.
    """

    async def put(self, key: str, content: AsyncIterator[bytes], *, max_bytes: int) -> StoredFile:
        """Store a stream while hashing it, in flat memory; visible under `key` only when whole.

        An existing key is replaced. More than `max_bytes` raises `domain.errors.TooLarge`; any error of
        the stream itself goes through; in both cases nothing is left.
        """
        ...

    def get(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes `[start, end)`, in pieces. A missing key raises `domain.errors.NotFound` at the first piece."""
        ...

    async def size(self, key: str) -> int | None:
        """Bytes under the key, or None."""
        ...

    def local(self, key: str) -> AbstractAsyncContextManager[Path]:
        """A local path to read from while the context lasts; `domain.errors.NotFound` if missing.
        The file must not be changed: it may be the stored one itself.
        """
        ...

    async def copy(self, source: str, target: str) -> None:
        """The same bytes under another key; `domain.errors.NotFound` if `source` is missing."""
        ...

    async def delete(self, prefix: str) -> int:
        """Remove the key itself and everything under ``prefix/``; how many went. Nothing there: 0."""
        ...

    def keys(self, prefix: str = "") -> AsyncIterator[str]:
        """Every key that is `prefix` or lies under ``prefix/`` ("" for all), in any order."""
        ...

    def entries(self, prefix: str = "") -> AsyncIterator[KeptFile]:
        """As `keys`, each with its age."""
        ...

    async def ping(self) -> None:
        """Raise `FilesUnavailable` unless the store can be written."""
        ...

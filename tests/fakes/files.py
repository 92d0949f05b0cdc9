"""Files in memory."""

import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from application.errors import FilesUnavailable
from application.ports.files import FileStore, KeptFile, StoredFile
from domain.errors import NotFound, TooLarge


class FakeFiles(FileStore):
    """A dictionary of bytes. `is_down` makes every call fail."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._modified: dict[str, datetime] = {}
        self.is_down = False

    async def put(self, key: str, content: AsyncIterator[bytes], *, max_bytes: int) -> StoredFile:
        self._check()
        gathered = bytearray()
        async for piece in content:
            gathered += piece
            if len(gathered) > max_bytes:
                raise TooLarge(f"The file has more than {max_bytes} bytes.", limit=max_bytes)
        data = self._files[key] = bytes(gathered)
        self._modified[key] = datetime.now(UTC)
        return StoredFile(key=key, size=len(data), sha256=hashlib.sha256(data).hexdigest(), head=data[:8192])

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        data = self._data(key)
        for offset in range(start, len(data) if end is None else min(end, len(data)), 1024):
            yield data[offset : min(offset + 1024, len(data) if end is None else end)]

    async def size(self, key: str) -> int | None:
        self._check()
        return len(self._files[key]) if key in self._files else None

    @asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        data = self._data(key)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            path.write_bytes(data)
            yield path

    async def copy(self, source: str, target: str) -> None:
        self._files[target] = self._data(source)
        self._modified[target] = datetime.now(UTC)

    async def delete(self, prefix: str) -> int:
        found = [key async for key in self.keys(prefix)]
        for key in found:
            del self._files[key]
        return len(found)

    async def keys(self, prefix: str = "") -> AsyncIterator[str]:
        self._check()
        for key in list(self._files):
            if not prefix or key == prefix or key.startswith(f"{prefix}/"):
                yield key

    async def entries(self, prefix: str = "") -> AsyncIterator[KeptFile]:
        async for key in self.keys(prefix):
            yield KeptFile(key=key, modified=self._modified[key])

    async def ping(self) -> None:
        self._check()

    def _check(self) -> None:
        if self.is_down:
            raise FilesUnavailable("The file store is down.")

    def _data(self, key: str) -> bytes:
        self._check()
        if key not in self._files:
            raise NotFound("The file is not in the store.")
        return self._files[key]

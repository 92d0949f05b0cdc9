"""Original files in a folder of this machine, or of a network share."""

import asyncio
import errno
import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Final

from application.errors import FilesUnavailable
from application.ports.files import FileStore, KeptFile, StoredFile
from domain.errors import NotFound, TooLarge

HEAD_BYTES: Final = 8 * 1024
PIECE_BYTES: Final = 1024 * 1024  # written and read at a time: one hop to a thread for each
_SEGMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_INCOMING: Final = ".incoming"  # no key starts with a dot


class LocalFiles(FileStore):
    """Files under `root`, one for a key.

    Uploads are written to ``.incoming`` on the same file system, synced and renamed, so that a key is whole
    or not there, also after a power failure. Blocking calls run in threads.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / _INCOMING

    async def sweep(self) -> int:
        """Remove what crashed uploads left; how many. To be called by one process, before uploads start."""
        return await asyncio.to_thread(self._sweep)

    async def put(self, key: str, content: AsyncIterator[bytes], *, max_bytes: int) -> StoredFile:
        """Store a stream while hashing it."""
        target = self._path(key)
        file = await asyncio.to_thread(self._open_incoming)
        sha256, head, size = hashlib.sha256(), b"", 0
        try:
            async for piece in _pieces(content):
                size += len(piece)
                if size > max_bytes:
                    raise TooLarge(f"The file has more than {max_bytes} bytes.", limit=max_bytes)
                if len(head) < HEAD_BYTES:
                    head += piece[: HEAD_BYTES - len(head)]
                await asyncio.to_thread(_write, file, sha256, piece)
            await asyncio.to_thread(_publish, file, target)
        finally:
            # After a success the name is gone already; after anything else, cancellation too, it goes now.
            await asyncio.shield(asyncio.to_thread(_discard, file))
        return StoredFile(key=key, size=size, sha256=sha256.hexdigest(), head=head)

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes `[start, end)` in pieces of at most 1 MiB."""
        path = self._path(key)
        file = await asyncio.to_thread(_open, path, start)
        try:
            left = None if end is None else max(end - start, 0)
            while left is None or left > 0:
                piece = await asyncio.to_thread(_read, file, PIECE_BYTES if left is None else min(PIECE_BYTES, left))
                if not piece:
                    return
                left = None if left is None else left - len(piece)
                yield piece
        finally:
            file.close()

    async def size(self, key: str) -> int | None:
        """Bytes under the key, or None."""
        return await asyncio.to_thread(_size, self._path(key))

    @asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        """The stored file itself."""
        path = self._path(key)
        if await asyncio.to_thread(_size, path) is None:
            raise _missing()
        yield path

    async def copy(self, source: str, target: str) -> None:
        """The same bytes under another key."""
        await asyncio.to_thread(self._copy, self._path(source), self._path(target))

    async def delete(self, prefix: str) -> int:
        """Remove the key itself and everything under ``prefix/``."""
        return await asyncio.to_thread(self._delete, self._path(prefix))

    async def keys(self, prefix: str = "") -> AsyncIterator[str]:
        """Every key that is `prefix` or lies under ``prefix/``, a folder at a time."""
        async for entry in self.entries(prefix):
            yield entry.key

    async def entries(self, prefix: str = "") -> AsyncIterator[KeptFile]:
        """The same, each with its age; what goes meanwhile is left out."""
        path = self._path(prefix) if prefix else self._root
        waiting = [path]
        while waiting:
            files, folders = await asyncio.to_thread(self._list, waiting.pop())
            waiting.extend(folders)
            for file, modified in files:
                key = file.relative_to(self._root).as_posix()
                yield KeptFile(key=key, modified=datetime.fromtimestamp(modified, UTC))

    async def ping(self) -> None:
        """Raise `FilesUnavailable` unless a file can be written."""
        await asyncio.to_thread(self._probe)

    def _path(self, key: str) -> Path:
        """Where a key's bytes lie. Keys are ours, so a strange one is a defect of ours: `ValueError`."""
        segments = key.split("/")
        if not all(_SEGMENT.fullmatch(segment) for segment in segments):
            raise ValueError(f"not a key: {key!r}")
        return self._root.joinpath(*segments)

    def _open_incoming(self) -> IO[bytes]:
        with translated_errors():
            self._incoming.mkdir(parents=True, exist_ok=True)
            return NamedTemporaryFile(dir=self._incoming, delete=False)

    def _copy(self, source: Path, target: Path) -> None:
        with translated_errors():
            original = _open(source, 0)
        with original:
            file = self._open_incoming()
            try:
                with translated_errors():
                    shutil.copyfileobj(original, file, PIECE_BYTES)
                _publish(file, target)
            finally:
                _discard(file)

    def _delete(self, path: Path) -> int:
        with translated_errors():
            count = sum(len(names) for _, _, names in os.walk(path))
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=False)
            elif path.exists():
                path.unlink(missing_ok=True)
                count = 1
            self._prune(path.parent)
            return count

    def _prune(self, folder: Path) -> None:
        """Remove folders that became empty; one that fills again meanwhile stays."""
        while folder != self._root and folder.is_relative_to(self._root):
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def _list(self, path: Path) -> tuple[list[tuple[Path, float]], list[Path]]:
        """Files with the times of their last change, and folders: of a folder, or of a file by itself."""
        with translated_errors():
            try:
                if path.is_file():
                    return [(path, path.stat().st_mtime)], []
                with os.scandir(path) as found:
                    entries = [entry for entry in found if not entry.name.startswith(".")]
            except (FileNotFoundError, NotADirectoryError):
                return [], []
            files: list[tuple[Path, float]] = []
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.is_file():
                        files.append((Path(entry.path), entry.stat().st_mtime))
            return files, [Path(entry.path) for entry in entries if entry.is_dir()]

    def _sweep(self) -> int:
        with translated_errors():
            left = list(self._incoming.iterdir()) if self._incoming.is_dir() else []
            for path in left:
                path.unlink(missing_ok=True)
            return len(left)

    def _probe(self) -> None:
        file = self._open_incoming()
        try:
            with translated_errors():
                file.write(b"ping")
                file.flush()
        finally:
            _discard(file)


@contextmanager
def translated_errors() -> Iterator[None]:
    """`OSError` becomes `FilesUnavailable`, said in words that an operator can act on."""
    try:
        yield
    except OSError as error:
        raise FilesUnavailable(_in_words(error)) from error


def _in_words(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "The disk of the file store is full."
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "The file store may not be written by this user."
    return f"The file store cannot be used: {error.strerror or type(error).__name__}."


async def _pieces(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of about 1 MiB, so that small ones do not cost a thread hop each."""
    gathered = bytearray()
    async for part in content:
        for offset in range(0, len(part), PIECE_BYTES):
            gathered += part[offset : offset + PIECE_BYTES]
            if len(gathered) >= PIECE_BYTES:
                yield bytes(gathered)
                gathered.clear()
    if gathered:
        yield bytes(gathered)


def _write(file: IO[bytes], sha256: "hashlib._Hash", piece: bytes) -> None:
    with translated_errors():
        file.write(piece)
    sha256.update(piece)


def _publish(file: IO[bytes], target: Path) -> None:
    """Sync the bytes, then the name: only so a rename survives a power failure."""
    with translated_errors():
        file.flush()
        os.fsync(file.fileno())
        while True:
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # a delete pruned the folder between the two lines
                Path(file.name).replace(target)
                break
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _discard(file: IO[bytes]) -> None:
    with suppress(OSError):  # closing flushes, which fails again on a full disk
        file.close()
    with translated_errors():
        Path(file.name).unlink(missing_ok=True)


def _open(path: Path, start: int) -> IO[bytes]:
    with translated_errors():
        try:
            file = path.open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise _missing() from error
        file.seek(start)
        return file


def _read(file: IO[bytes], size: int) -> bytes:
    with translated_errors():
        return file.read(size)


def _size(path: Path) -> int | None:
    with translated_errors():
        try:
            return path.stat().st_size if path.is_file() else None
        except (FileNotFoundError, NotADirectoryError):
            return None


def _missing() -> NotFound:
    return NotFound("The file is not in the store.")

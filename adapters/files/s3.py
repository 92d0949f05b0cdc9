"""Original files in an S3 bucket, or in anything that speaks its protocol."""

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from application.errors import FilesUnavailable
from application.ports.files import FileStore, KeptFile, StoredFile
from domain.errors import NotFound, TooLarge

HEAD_BYTES: Final = 8 * 1024
PIECE_BYTES: Final = 1024 * 1024
PART_BYTES: Final = 8 * 1024 * 1024  # of a multipart upload; memory is this times the parts under way
PARTS_AT_ONCE: Final = 4
RETRIES: Final = 3
DELETED_AT_ONCE: Final = 500
_SEGMENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_PROBE: Final = ".ping"  # no key starts with a dot
_WHOLE: Final[Any] = None
_TIMEOUTS: Final = {"timeout": "300s", "connect_timeout": "5s"}


class S3Files(FileStore):
    """Objects under a prefix, one for a key.

    An upload is spooled to a temporary file while it is hashed and measured, and only then sent, so that a stream
    that breaks off, or is too long, leaves nothing in the bucket. Parts that a crash left of a large upload are
    invisible; let a lifecycle rule of the bucket remove them.
    """

    def __init__(self, store: S3Store) -> None:
        self._store = store

    @classmethod
    def connect(cls, url: str, *, retries: int = RETRIES, **config: Any) -> "S3Files":
        """`s3://bucket/prefix`; endpoint, region and keys come from the usual `AWS_…` variables, or from `config`."""
        parts = urlsplit(url)
        endpoint = config.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if endpoint:
            config["endpoint"] = endpoint
        options: Any = {**_TIMEOUTS, "allow_http": bool(endpoint and endpoint.startswith("http://"))}
        prefix = parts.path.strip("/") or None
        return cls(
            S3Store(
                parts.netloc, prefix=prefix, client_options=options, retry_config={"max_retries": retries}, **config
            )
        )

    async def put(self, key: str, content: AsyncIterator[bytes], *, max_bytes: int) -> StoredFile:
        """Spool, hash, then send."""
        path = _checked(key)
        with translated_errors():
            spool = await asyncio.to_thread(tempfile.NamedTemporaryFile)
        sha256, head, size = hashlib.sha256(), b"", 0
        with spool:
            async for piece in content:
                size += len(piece)
                if size > max_bytes:
                    raise TooLarge(f"The file has more than {max_bytes} bytes.", limit=max_bytes)
                if len(head) < HEAD_BYTES:
                    head += piece[: HEAD_BYTES - len(head)]
                await asyncio.to_thread(_write, spool, sha256, piece)
            with translated_errors(writing=True):
                await asyncio.to_thread(spool.flush)
                await obstore.put_async(
                    self._store, path, Path(spool.name), chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
                )
        return StoredFile(key=key, size=size, sha256=sha256.hexdigest(), head=head)

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes `[start, end)` in pieces of about 1 MiB, asked for as a range."""
        path, options = _checked(key), _WHOLE
        if start or end is not None:
            size = await self.size(key)
            if size is None:
                raise _missing()
            end = size if end is None else min(end, size)
            if start >= end:
                return
            options = {"range": (start, end)}
        with translated_errors():
            answer = await obstore.get_async(self._store, path, options=options)
            async for piece in answer.stream(min_chunk_size=PIECE_BYTES):
                yield bytes(piece)

    async def size(self, key: str) -> int | None:
        """Bytes under the key, or None."""
        try:
            with translated_errors():
                return int((await obstore.head_async(self._store, _checked(key)))["size"])
        except NotFound:
            return None

    @asynccontextmanager
    async def local(self, key: str) -> AsyncIterator[Path]:
        """A temporary copy."""
        with translated_errors():
            spool = await asyncio.to_thread(tempfile.NamedTemporaryFile)
        with spool:
            async for piece in self.get(key):
                await asyncio.to_thread(_write, spool, None, piece)
            with translated_errors():
                await asyncio.to_thread(spool.flush)
            yield Path(spool.name)

    async def copy(self, source: str, target: str) -> None:
        """Within the bucket, without passing through here."""
        with translated_errors():
            await obstore.copy_async(self._store, _checked(source), _checked(target))

    async def delete(self, prefix: str) -> int:
        """Remove the key itself and everything under ``prefix/``."""
        found = [key async for key in self.keys(prefix)]
        with translated_errors():
            for start in range(0, len(found), DELETED_AT_ONCE):
                await obstore.delete_async(self._store, found[start : start + DELETED_AT_ONCE])
        return len(found)

    async def keys(self, prefix: str = "") -> AsyncIterator[str]:
        """Every key that is `prefix` or lies under ``prefix/``."""
        async for entry in self.entries(prefix):
            yield entry.key

    async def entries(self, prefix: str = "") -> AsyncIterator[KeptFile]:
        """The same, each with the time of its upload."""
        if prefix:
            _checked(prefix)
            with translated_errors():
                try:
                    single = await obstore.head_async(self._store, prefix)
                except FileNotFoundError:
                    pass
                else:
                    yield KeptFile(key=single["path"], modified=single["last_modified"])
        with translated_errors():
            async for page in obstore.list(self._store, prefix=prefix or None):
                for found in page:
                    if not found["path"].startswith(".") and found["path"] != prefix:
                        yield KeptFile(key=found["path"], modified=found["last_modified"])

    async def ping(self) -> None:
        """Raise `FilesUnavailable` unless an object can be written."""
        with translated_errors(writing=True):
            await obstore.put_async(self._store, _PROBE, b"ping")


@contextmanager
def translated_errors(*, writing: bool = False) -> Iterator[None]:
    """What the store and the spool raise becomes `NotFound` or `FilesUnavailable`; addresses stay out."""
    try:
        yield
    except FileNotFoundError as error:
        raise (FilesUnavailable("The bucket of the file store is missing.") if writing else _missing()) from error
    except (BaseError, OSError) as error:
        raise FilesUnavailable(f"The file store cannot be used: {type(error).__name__}.") from error


def _checked(key: str) -> str:
    """Keys are ours, so a strange one is a defect of ours: `ValueError`."""
    if not all(_SEGMENT.fullmatch(segment) for segment in key.split("/")):
        raise ValueError(f"not a key: {key!r}")
    return key


def _write(file: IO[bytes], sha256: "hashlib._Hash | None", piece: bytes) -> None:
    with translated_errors():
        file.write(piece)
    if sha256 is not None:
        sha256.update(piece)


def _missing() -> NotFound:
    return NotFound("The file is not in the store.")

"""All embedded engines of one data directory."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

import structlog

from adapters.embedded import addresses
from adapters.embedded.addresses import Engine, EngineAddresses
from adapters.embedded.errors import DataDirectoryInUse, EngineFailed, hint_for
from adapters.embedded.layout import Layout
from adapters.embedded.locks import FileLock, Ownership, read_owner
from adapters.embedded.starting import EngineOptions, start_engines
from adapters.embedded.supervisor import Supervisor

_log = structlog.get_logger(__name__)
_POLL = 0.1  # seconds


class EmbeddedEngines:
    """Engines that answer at `addresses`; `attached` tells that another process runs them."""

    def __init__(self, found: EngineAddresses, *, supervisor: Supervisor | None) -> None:
        self.addresses = found
        self._supervisor = supervisor

    @property
    def attached(self) -> bool:
        """Whether another process runs them."""
        return self._supervisor is None

    @property
    def database_url(self) -> str:
        """``postgresql://``, with the password. Asking for an engine that was not needed raises `LookupError`."""
        return _present(self.addresses.database_url, Engine.POSTGRES)

    @property
    def redis_url(self) -> str:
        """``unix://`` or ``redis://``, with the password."""
        return _present(self.addresses.redis_url, Engine.VALKEY)

    @property
    def qdrant_url(self) -> str:
        """``http://``."""
        return _present(self.addresses.qdrant_url, Engine.QDRANT)

    @property
    def qdrant_api_key(self) -> str:
        """What the vector index wants in its ``api-key`` header."""
        return _present(self.addresses.qdrant_api_key, Engine.QDRANT)

    @property
    def embedding_url(self) -> str:
        """``http://``; it may still be loading its model."""
        return _present(self.addresses.embedding_url, Engine.EMBEDDING)

    @property
    def embedding_api_key(self) -> str:
        """What the embedding server wants as bearer token."""
        return _present(self.addresses.embedding_api_key, Engine.EMBEDDING)

    async def wait_failed(self) -> EngineFailed:
        """Returns when an engine has died too often to be restarted; never for attached ones."""
        if self._supervisor is None:
            never: asyncio.Future[EngineFailed] = asyncio.get_running_loop().create_future()
            return await never
        return await self._supervisor.wait_failed()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        data_dir: Path,
        *,
        need: AbstractSet[Engine],
        role: str,
        attach: bool = False,
        may_own: bool = True,
        options: EngineOptions | None = None,
        owned: Callable[[], Awaitable[None]] | None = None,
    ) -> AsyncIterator[Self]:
        """Run the needed engines while the context lasts, as the only owner of the directory.

        With `attach`, as short commands want it: where another process owns it, use its engines, waiting for them
        if they are still starting; and where this one became the owner, let others that attached finish first.
        Everything but the embedding engine answers when the context is entered. `role` tells others who we are.
        Without `may_own`, as children of the owner want it, an attaching process never becomes the owner itself.
        `owned` is awaited once the directory is ours and before the engines start: what is begun there can attach.
        Raises `DataDirectoryInUse` (never with `attach`) and `EngineFailed`.
        """
        options = options or EngineOptions()
        layout = Layout(root=data_dir)
        layout.prepare()
        if attach:
            held, found = await _acquire_or_find(layout, role, options.attach_timeout, may_own=may_own)
        else:
            held, found = _acquire(layout, role), None
        try:
            if found is not None:
                yield cls(_with(found, need), supervisor=None)
                return
            if owned is not None:
                await owned()
            async with Supervisor(run_dir=layout.run) as supervisor:
                found = await start_engines(layout, need, options, supervisor)
                addresses.publish(layout.root, found)
                with ExitStack() as stack:
                    stack.callback(addresses.withdraw, layout.root)
                    try:
                        yield cls(found, supervisor=supervisor)
                    finally:
                        if attach and not _is_interrupt(sys.exc_info()[1]):
                            stack.callback((await _until_unused(layout)).release)
        finally:
            held.release()


def _is_interrupt(error: BaseException | None) -> bool:
    return error is not None and not isinstance(error, Exception)


def _with(found: EngineAddresses, need: AbstractSet[Engine]) -> EngineAddresses:
    missing = need - found.engines()
    if missing:
        raise EngineFailed(min(missing), "the process that owns the data directory does not run it")
    return found


def _present(value: str | None, engine: Engine) -> str:
    if value is None:
        raise LookupError(f"{engine} was not asked for")
    return value


def _acquire(layout: Layout, role: str) -> Ownership:
    try:
        ownership = Ownership.acquire(layout.root, role=role)
        addresses.withdraw(layout.root)
        ownership.announce()
    except OSError as error:
        raise EngineFailed("data directory", str(error), hint_for(error)) from error
    return ownership


async def _acquire_or_find(
    layout: Layout,
    role: str,
    timeout: float,  # noqa: ASYNC109 - part of the options
    *,
    may_own: bool,
) -> tuple[Ownership | FileLock, EngineAddresses | None]:
    """Ownership; or a share in the engines of the owner, with their addresses."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        if may_own:
            try:
                return _acquire(layout, role), None
            except DataDirectoryInUse:
                pass
        share = FileLock.try_acquire(layout.users, shared=True)
        if share is not None:
            found = addresses.find(layout.root)
            if found is not None:
                return share, found
            share.release()
        if loop.time() > deadline:
            pid, owner = read_owner(layout.root)
            raise EngineFailed("engines", f"process {pid} ({owner}) has not made them ready in {timeout:g} seconds")
        await asyncio.sleep(_POLL)


async def _until_unused(layout: Layout) -> FileLock:
    """Wait for others that attached; holding what is returned keeps new ones from doing so."""
    told = False
    while True:
        lock = FileLock.try_acquire(layout.users)
        if lock is not None:
            return lock
        if not told:
            _log.info("engines_kept_for_other_commands")
            told = True
        await asyncio.sleep(_POLL)

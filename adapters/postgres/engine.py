"""Connections to Postgres."""

from typing import Any, Final
from uuid import uuid4

import asyncpg
from attrs import frozen
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECT_TIMEOUT: Final = 10.0  # seconds


@frozen(kw_only=True)
class EngineOptions:
    """How an engine treats its connections."""

    pool_size: int = 7  # at most, beside those that read: who needs one more waits in line; more make nothing faster
    max_overflow: int = 0
    pool_timeout: float = 15.0  # seconds to wait for a free connection
    statement_timeout: float = 30.0  # seconds; 0 sets none
    application_name: str = "readingroom"
    # False behind a pooler that hands out connections by transaction (PgBouncer): statements are then prepared
    # under names of their own and no session settings are sent at the start
    keeps_sessions: bool = True

    @property
    def session_settings(self) -> dict[str, str]:
        """What a connection is told at its start; the planner's just-in-time compiler costs more than it gives here."""
        return {"jit": "off", "statement_timeout": f"{int(self.statement_timeout * 1000)}"}


async def connect(
    url: str, *, application_name: str = "readingroom", settings: dict[str, str] | None = None, **options: Any
) -> "asyncpg.Connection[Any]":
    """One plain asyncpg connection; `url` is what libpq takes, a socket's folder as `?host=/path` too."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        dsn=plain_url(url),
        timeout=CONNECT_TIMEOUT,
        server_settings={"application_name": application_name, **(settings or {})},
        **options,
    )
    return connection


def plain_url(url: str) -> str:
    """Without SQLAlchemy's driver: `postgresql+asyncpg://…` → `postgresql://…`."""
    scheme, separator, rest = url.partition("://")
    return scheme.partition("+")[0] + separator + rest


def make_engine(url: str, options: EngineOptions | None = None) -> AsyncEngine:
    """An engine with a pool of its own; the caller disposes of it. Nothing connects before the first use."""
    options = options or EngineOptions()
    arguments: dict[str, Any] = {}
    if not options.keeps_sessions:
        arguments = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: f"__{uuid4().hex}__"}

    async def creator() -> "asyncpg.Connection[Any]":
        # asyncpg reads the URL itself, so everything that libpq knows of (sslmode, host lists, sockets) works
        if options.keeps_sessions:
            return await connect(url, application_name=options.application_name, settings=options.session_settings)
        return await connect(url, application_name=options.application_name, statement_cache_size=0)

    return create_async_engine(
        "postgresql+asyncpg://",
        connect_args={"async_creator_fn": creator, **arguments},
        pool_size=options.pool_size,
        max_overflow=options.max_overflow,
        pool_timeout=options.pool_timeout,
        pool_recycle=1800,
        pool_use_lifo=True,  # idle connections above the usual need grow old and are closed
        hide_parameters=True,  # parameters hold people's documents
    )

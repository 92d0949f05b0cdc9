"""PostgreSQL and Valkey of their own, empty, for as long as a measurement takes."""

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import frozen

from adapters.embedded import postgres, valkey
from adapters.embedded.supervisor import Supervisor
from adapters.postgres import migrations


@frozen
class Engines:
    """Where the engines answer."""

    database: str
    redis: str


async def with_engines(work: Callable[[Engines], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Start both, do it, and stop them."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rr-")))
        supervisor = await stack.enter_async_context(Supervisor())
        places = postgres.PostgresFiles(cluster=folder / "pg", sockets=folder / "s", log=folder / "pg.log")
        database = await postgres.prepare(places, password=uuid4().hex, durable=True)
        redis = valkey.prepare(
            folder / "vk", socket_directory=folder / "v", log=folder / "vk.log", password=uuid4().hex
        )
        await supervisor.start(database.spec)
        await supervisor.start(redis.spec)
        await migrations.upgrade(database.url)
        return await work(Engines(database.url, redis.url))

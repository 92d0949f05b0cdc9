"""How migrations run: on the connection that the program gives, or on ``DATABASE_URL`` for `alembic` by hand."""

import asyncio
import os
from typing import Any

from sqlalchemy import Connection

from adapters.postgres import answer_tables, generation_tables, request_tables  # noqa: F401 their tables belong to the metadata
from adapters.postgres.engine import make_engine
from adapters.postgres.queue_schema import QUEUE_TABLES
from adapters.postgres.room_tables import metadata  # with the tables of rooms beside all others
from alembic import context


def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """The queue's tables are its library's, not described in our metadata."""
    return not (kind == "table" and name in QUEUE_TABLES)


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata, include_name=is_ours, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


async def run_by_hand() -> None:
    url = os.environ.get("DATABASE_URL")
    if not url:
        raise SystemExit("Set DATABASE_URL to the database to work on.")
    engine = make_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is None:
    asyncio.run(run_by_hand())
else:
    run(given)

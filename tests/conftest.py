"""Engines for every test that wants real ones: embedded, or those that ``READINGROOM_TEST_*_URL`` name."""

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import redis.asyncio
from attrs import field, frozen

from adapters.embedded import http_servers, postgres, valkey
from adapters.embedded.supervisor import Supervisor
from tests.claude_emulator.fixtures import claude_emulator, claude_key  # noqa: F401 fixtures

pytest_plugins = ["tests.left_out"]

NewDatabase = Callable[[], Awaitable[str]]


@frozen(kw_only=True)
class QdrantServer:
    """Where a Qdrant server answers, and the key it wants (None: none)."""

    url: str
    key: str | None = field(repr=False)


def _other_database(url: str, name: str) -> str:
    head, separator, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{name}{separator}{query}"


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def engines_dir() -> AsyncIterator[Path]:
    """A short path: unix sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="rr-") as path:
        yield Path(path)


@pytest.fixture(scope="session")
async def supervisor() -> AsyncIterator[Supervisor]:
    async with Supervisor() as running:
        yield running


@pytest.fixture(scope="session")
async def postgres_server(engines_dir: Path, supervisor: Supervisor) -> str:
    """URL of a maintenance database whose role may create databases. For data that may be lost: no fsync."""
    given = os.environ.get("READINGROOM_TEST_DATABASE_URL")
    if given:
        return given
    places = postgres.PostgresFiles(
        cluster=engines_dir / "postgres", sockets=engines_dir / "pg", log=engines_dir / "postgres.log"
    )
    prepared = await postgres.prepare(places, password=uuid4().hex, durable=False)
    await supervisor.start(prepared.spec)
    return prepared.url


@pytest.fixture(scope="session")
async def redis_url(engines_dir: Path, supervisor: Supervisor) -> str:
    given = os.environ.get("READINGROOM_TEST_REDIS_URL")
    if given:
        return given
    prepared = valkey.prepare(
        engines_dir / "valkey",
        socket_directory=engines_dir / "vk",
        log=engines_dir / "valkey.log",
        password=uuid4().hex,
    )
    await supervisor.start(prepared.spec)
    return prepared.url


@pytest.fixture
async def clean_redis_url(redis_url: str) -> str:
    """The same engine, emptied. One test at a time uses it."""
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.flushdb()
    return redis_url


@pytest.fixture(scope="session")
async def qdrant_server(engines_dir: Path, supervisor: Supervisor) -> QdrantServer:
    """A server whose collections the tests name apart."""
    given = os.environ.get("READINGROOM_TEST_QDRANT_URL")
    if given:
        return QdrantServer(url=given, key=os.environ.get("READINGROOM_TEST_QDRANT_API_KEY"))
    prepared = http_servers.qdrant(engines_dir / "qdrant", log=engines_dir / "qdrant.log", key=uuid4().hex)
    await supervisor.start(prepared.spec)
    return QdrantServer(url=prepared.url, key=prepared.key)


@pytest.fixture
async def new_database(postgres_server: str) -> AsyncIterator[NewDatabase]:
    """Makes empty databases; they are dropped after the test, whoever is still connected."""
    made: list[str] = []

    async def make() -> str:
        name = f"test_{uuid4().hex}"
        await _execute(postgres_server, f"CREATE DATABASE {name}")
        made.append(name)
        return _other_database(postgres_server, name)

    yield make
    for name in made:
        await _execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def fresh_database(new_database: NewDatabase) -> str:
    """URL of an empty database."""
    return await new_database()


@pytest.fixture(scope="session")
async def migrated_template(postgres_server: str) -> AsyncIterator[str]:
    """Name of a database that was migrated once and is only ever copied."""
    from adapters.postgres.migrations import upgrade

    name = f"template_{uuid4().hex}"
    await _execute(postgres_server, f"CREATE DATABASE {name}")
    await upgrade(_other_database(postgres_server, name))
    yield name
    await _execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def migrated_database(postgres_server: str, migrated_template: str) -> AsyncIterator[str]:
    """URL of a database with the newest schema and no rows."""
    name = f"test_{uuid4().hex}"
    await _execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    yield _other_database(postgres_server, name)
    await _execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")

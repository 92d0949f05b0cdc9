"""The implementations that each contract suite runs on."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.embedded import http_servers
from adapters.embedded.supervisor import Supervisor
from adapters.postgres.engine import EngineOptions, make_engine
from adapters.postgres.jobs import decode
from adapters.postgres.migrations import upgrade
from adapters.postgres.readers import Readers
from adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from application.ports.jobs import AnyJob
from domain.ids import UserId
from domain.workspaces import Collection
from tests.contracts.units import Units, execute
from tests.fakes.database import READERS, Reader
from tests.fakes.unit_of_work import FakeUnitOfWorkFactory
from tests.samples.cross_encoder import tiny_cross_encoder


@pytest.fixture(scope="session")
async def embedding_server(engines_dir: Path, supervisor: Supervisor) -> http_servers.PreparedServer:
    """The bundled model, and a reranker of random weights."""
    prepared = http_servers.embedding(
        log=engines_dir / "embedding.log",
        key=uuid4().hex,
        dtype="float32",
        reranker=str(tiny_cross_encoder(engines_dir / "reranker")),
    )
    await supervisor.start(prepared.spec)
    return prepared


@pytest.fixture
def fake_units() -> Units:
    factory = FakeUnitOfWorkFactory()

    async def let_read(collection: Collection, user_id: UserId) -> None:
        reader = Reader(collection.workspace_id, collection.id, user_id)
        factory.database.table(READERS)[collection.id, user_id] = reader

    async def waiting_jobs() -> list[AnyJob]:
        return [queued.job for queued in factory.database.jobs]

    return Units(begin=factory, let_read=let_read, waiting_jobs=waiting_jobs)


@pytest.fixture(scope="session")
async def shared_database(postgres_server: str) -> AsyncIterator[str]:
    """A migrated database for the contract suites, one test at a time: emptying is faster than making."""
    name = f"contracts_{uuid4().hex}"
    await execute(postgres_server, f"CREATE DATABASE {name}")
    head, separator, query = postgres_server.partition("?")
    url = f"{head.rsplit('/', 1)[0]}/{name}{separator}{query}"
    await upgrade(url)
    yield url
    await execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def emptied_database(shared_database: str) -> str:
    """URL of a migrated database without rows."""
    for table in ("workspaces", "users", "jobs", "index_generations"):
        await execute(shared_database, f"DELETE FROM {table}")  # noqa: S608 our own names
    return shared_database


@pytest.fixture
async def postgres_units(emptied_database: str) -> AsyncIterator[Units]:
    engine = make_engine(emptied_database, EngineOptions(pool_size=5, max_overflow=25))
    readers = Readers(emptied_database)

    async def let_read(collection: Collection, user_id: UserId) -> None:
        await execute(
            emptied_database,
            "INSERT INTO collection_members (workspace_id, collection_id, user_id) VALUES ($1, $2, $3)",
            collection.workspace_id,
            collection.id,
            user_id,
        )

    async def waiting_jobs() -> list[AnyJob]:
        rows = await execute(emptied_database, "SELECT entrypoint, payload FROM jobs ORDER BY id")
        return [decode(row["entrypoint"], row["payload"]) for row in rows]

    yield Units(begin=PostgresUnitOfWorkFactory(engine, readers), let_read=let_read, waiting_jobs=waiting_jobs)
    await readers.close()
    await engine.dispose()


@pytest.fixture(params=["fake", "postgres"])
def units(request: pytest.FixtureRequest) -> Units:
    found: Units = request.getfixturevalue(f"{request.param}_units")
    return found

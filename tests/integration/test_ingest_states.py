"""The model of documents played on PostgreSQL, Qdrant and files: a search finds what it must and nothing else.

`READINGROOM_STATE_EXAMPLES` asks for more examples.
"""

import os
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import pytest
from attrs import define, evolve, field, frozen
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.embedded.sockets import free_port
from adapters.postgres.engine import EngineOptions, make_engine
from adapters.postgres.jobs import decode
from adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from adapters.qdrant.index import QdrantIndex
from application.ports.generations import Index
from application.ports.jobs import AnyJob
from application.ports.vectors import VectorIndex
from domain.generations import Generation
from tests.application.documents_machine import DocumentsMachine, Ground
from tests.conftest import QdrantServer
from tests.contracts.units import execute
from tests.fakes.assembly import Assembly
from tests.fakes.assembly_parts import BucketEmbedder
from tests.fakes.generations import FIRST, FakeIndexes
from tests.fakes.parsing import FakeTokenCounter
from tests.fakes.unit_of_work import FakeUnitOfWorkFactory

EXAMPLES: Final = int(os.environ.get("READINGROOM_STATE_EXAMPLES", "5"))
STEPS: Final = 20
TAKE: Final = """
    DELETE FROM jobs WHERE id = (SELECT id FROM jobs ORDER BY priority DESC, id LIMIT 1) RETURNING entrypoint, payload
"""


@define
class Switched:
    """A collection that can be out of reach."""

    there: QdrantIndex
    away: QdrantIndex
    available: bool = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.there if self.available else self.away, name)


@define
class RealIndexes:
    """A collection for each generation; its embedder has no meaning."""

    server: QdrantServer
    prefix: str = field(factory=lambda: f"states-{uuid4().hex}")
    opened: dict[int, tuple[Index, Switched, BucketEmbedder]] = field(factory=dict)

    def open(self, generation: Generation) -> Index:
        if generation.number not in self.opened:
            vectors = Switched(
                self._connected(self.server.url, generation),
                self._connected(f"http://127.0.0.1:{free_port()}", generation),
            )
            embedder = BucketEmbedder(name=generation.recipe.name)
            index = Index(
                generation=generation,
                embedder=embedder,
                embeddings=embedder,
                vectors=cast("VectorIndex", vectors),
                tokens=FakeTokenCounter(),
            )
            self.opened[generation.number] = index, vectors, embedder
        return evolve(self.opened[generation.number][0], generation=generation)

    async def drop(self, generation: Generation) -> None:
        self.open(generation)
        _, vectors, _ = self.opened.pop(generation.number)
        await vectors.there.drop()
        await self._let_go(vectors)

    async def close(self) -> None:
        for _, vectors, _ in self.opened.values():
            await vectors.there.drop()
            await self._let_go(vectors)

    def _connected(self, url: str, generation: Generation) -> QdrantIndex:
        return QdrantIndex.connect(
            url,
            self.server.key,
            collection=f"{self.prefix}-{generation.number}",
            dimensions=generation.recipe.dimensions,
        )

    async def _let_go(self, vectors: Switched) -> None:
        await vectors.there.close()
        await vectors.away.close()


@frozen
class RealGround(Ground):
    """One database, emptied before; collections of its own."""

    assembly: Assembly
    url: str
    indexes: RealIndexes
    engine: AsyncEngine

    @classmethod
    async def on(cls, url: str, server: QdrantServer, root: Path) -> "RealGround":
        for table in ("workspaces", "users", "jobs", "erasures", "index_generations"):
            await execute(url, f"DELETE FROM {table}")  # noqa: S608 our own names
        engine = make_engine(url, EngineOptions(pool_size=2, max_overflow=4))
        indexes = RealIndexes(server)
        begin = cast("FakeUnitOfWorkFactory", PostgresUnitOfWorkFactory(engine))
        assembly = Assembly(root=root, begin=begin, indexes=cast("FakeIndexes", indexes))
        await assembly.use_cases.want_index(FIRST.recipe)
        await indexes.open(FIRST).vectors.prepare()
        return cls(assembly, url, indexes, engine)

    async def take(self) -> AnyJob | None:
        rows = await execute(self.url, TAKE)
        return decode(rows[0]["entrypoint"], rows[0]["payload"]) if rows else None

    async def put_back(self, job: AnyJob) -> None:
        async with self.assembly.begin(None) as work:
            await work.jobs.enqueue([job])
            await work.commit()

    async def lose_jobs(self) -> None:
        await execute(self.url, "DELETE FROM jobs")

    async def engines(self, *, vectors: bool, embedder: bool) -> None:
        for _, switched, buckets in self.indexes.opened.values():
            switched.available, buckets.down = vectors, not embedder

    async def close(self) -> None:
        await self.indexes.close()
        await self.engine.dispose()


@pytest.mark.timeout(600)
def test_documents_on_real_engines(migrated_database: str, qdrant_server: QdrantServer) -> None:
    """The same rules and the same model as on the fakes."""

    class OnRealEngines(DocumentsMachine):
        async def ground_on(self, root: Path) -> Ground:
            return await RealGround.on(migrated_database, qdrant_server, root)

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        OnRealEngines,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

"""Generations of the index in memory: their records, and indexes to go with them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from attrs import define, evolve, field

from application.errors import AlreadyExists
from application.ports.generations import HeldPassages, Index, Unbuilt
from application.ports.parsing import TokenCounter
from domain.documents import Document
from domain.generations import Generation, GenerationState, Recipe
from domain.ids import DocumentId, WorkspaceId
from tests.fakes.assembly_parts import BucketEmbedder
from tests.fakes.database import CHUNKS, DOCUMENTS, GENERATIONS, PAGES
from tests.fakes.parsing import FakeTokenCounter
from tests.fakes.repositories import FakeRepository
from tests.fakes.vectors import InMemoryVectorIndex

FIRST: Final = Generation.first(
    Recipe(model="buckets", name="buckets", dimensions=64), datetime(2026, 1, 1, tzinfo=UTC)
)
_LOCK: Final = "index_generations"


class FakeGenerations(FakeRepository):
    """One lock for both ways of holding: here nobody is so many."""

    async def all(self) -> list[Generation]:
        return sorted(self._rows.rows(GENERATIONS), key=lambda one: int(one.number))

    async def add(self, generation: Generation) -> None:
        alone = {GenerationState.LIVE, GenerationState.BUILDING} & {generation.state}
        if any(one.number == generation.number or one.state in alone for one in await self.all()):
            raise AlreadyExists("there is such a generation", constraint="pk_index_generations")
        self._rows.put_shared(GENERATIONS, generation.number, generation)

    async def save(self, generation: Generation) -> None:
        self._rows.put_shared(GENERATIONS, generation.number, generation)

    async def hold(self) -> None:
        await self._rows.lock(_LOCK)

    async def hold_alone(self) -> None:
        await self._rows.lock(_LOCK)

    async def unbuilt(self, number: int, *, limit: int) -> Sequence[Unbuilt]:
        built = self._built(number)
        return [
            Unbuilt(workspace_id=one.workspace_id, document_id=one.id, revision=one.live_revision or 0, size=one.size)
            for one in sorted(self._live(), key=lambda one: one.id)
            if (one.id, one.live_revision) not in built
        ][:limit]

    async def progress(self, number: int) -> tuple[int, int]:
        built, live = self._built(number), self._live()
        return sum((one.id, one.live_revision) in built for one in live), len(live)

    async def held(self, workspace_id: WorkspaceId, number: int) -> list[HeldPassages]:
        of = [s for s in self._rows.rows(CHUNKS) if (s.workspace_id, s.generation) == (workspace_id, number)]
        places = [(stored.chunk.document_id, stored.chunk.revision) for stored in of]
        return [
            HeldPassages(document_id=document_id, revision=revision, chunks=places.count((document_id, revision)))
            for document_id, revision in dict.fromkeys(places)
        ]

    async def adopt(self, number: int, now: datetime) -> None:
        chunks = [(s.chunk.document_id, s.chunk.revision) for s in self._rows.rows(CHUNKS) if s.generation == number]
        for one in self._live():
            count = chunks.count((one.id, one.live_revision or 0))
            if count != one.chunk_count:
                await self._rows.lock(DOCUMENTS, one.id)
                adopted = evolve(one, chunk_count=count, version=one.version + 1, updated_at=now)
                self._rows.put(DOCUMENTS, one.id, adopted)

    async def forget(self, number: int, document_ids: Sequence[DocumentId]) -> None:
        self._drop(number, lambda document_id: document_id in document_ids)

    async def remove_passages(self, number: int, *, limit: int) -> int:
        return self._drop(number, lambda _: True)

    def _drop(self, number: int, is_meant: Callable[[DocumentId], bool]) -> int:
        removed = 0
        for stored in list(self._rows.rows(CHUNKS)):
            if stored.generation == number and is_meant(stored.chunk.document_id):
                self._rows.delete(CHUNKS, stored.chunk.id)
                removed += 1
        for page in list(self._rows.rows(PAGES)):
            if page.generation == number and is_meant(page.document_id):
                self._rows.delete(PAGES, (page.document_id, page.revision, number, page.page.number))
                removed += 1
        return removed

    def _live(self) -> list[Document]:
        return [one for one in self._rows.rows(DOCUMENTS) if one.live_revision is not None and not one.is_deleted]

    def _built(self, number: int) -> set[tuple[DocumentId, int | None]]:
        stored = [s for s in self._rows.rows(CHUNKS) if s.generation == number]
        return {(s.chunk.document_id, s.chunk.revision) for s in stored}


@define
class FakeIndexes:
    """The first generation on the given fakes, each later one on fresh ones."""

    embedder: BucketEmbedder = field(factory=BucketEmbedder)
    vectors: InMemoryVectorIndex = field(factory=InMemoryVectorIndex)
    tokens: TokenCounter = field(factory=FakeTokenCounter)
    opened: dict[int, Index] = field(factory=dict)
    dropped: list[int] = field(factory=list)

    def open(self, generation: Generation) -> Index:
        number = generation.number
        if number not in self.opened:
            embedder = self.embedder if number == 1 else BucketEmbedder(name=generation.recipe.name)
            self.opened[number] = Index(
                generation=generation,
                embedder=embedder,
                embeddings=embedder,
                vectors=self.vectors if number == 1 else InMemoryVectorIndex(),
                tokens=self.tokens,
            )
        return evolve(self.opened[number], generation=generation)

    async def drop(self, generation: Generation) -> None:
        self.dropped.append(generation.number)
        self.opened.pop(generation.number, None)

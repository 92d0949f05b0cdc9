"""Documents, passages and receipts in memory."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from uuid import UUID

from attrs import evolve

from application.errors import ConcurrentChange
from application.ports.document_repositories import (
    DocumentQuery,
    DocumentState,
    DocumentTotals,
    LivePassage,
)
from application.ports.jobs import IngestDocument
from domain.documents import Document, DocumentStatus, Stage
from domain.erasure import Erasure
from domain.generations import Generation, GenerationState
from domain.ids import (
    ChunkId,
    CollectionId,
    DocumentId,
    WorkspaceId,
)
from domain.passages import Chunk, DocumentRef, Page
from tests.fakes.database import (
    CHUNKS,
    DOCUMENTS,
    ERASURES,
    GENERATIONS,
    PAGES,
    FakeTransaction,
    StoredChunk,
    StoredPage,
    unique_values,
)
from tests.fakes.repositories import UNFINISHED, FakeRepository, created_at, fold, title_key


class FakeDocuments(FakeRepository):
    async def get(self, document_id: DocumentId) -> Document | None:
        found: Document | None = self._by_id(DOCUMENTS, document_id)
        return self._rows.saw(found)

    async def get_many(self, document_ids: Sequence[DocumentId]) -> dict[DocumentId, Document]:
        return {one.id: self._rows.saw(one) for one in self._rows.rows(DOCUMENTS) if one.id in document_ids}

    async def find_duplicate(self, collection_id: CollectionId, sha256: str) -> Document | None:
        found: Document | None = self._rows.first(
            DOCUMENTS,
            lambda one: one.collection_id == collection_id and one.sha256 == sha256 and not one.is_deleted,
        )
        return self._rows.saw(found)

    async def add(self, document: Document) -> None:
        await self._rows.add(DOCUMENTS, document.id, document, **unique_values(DOCUMENTS, document))
        self._rows.saw(document)
        self._collect(document)

    async def save(self, document: Document) -> None:
        await self._rows.save(DOCUMENTS, document, **unique_values(DOCUMENTS, document))
        self._collect(document)

    async def report(
        self, document_id: DocumentId, revision: int, stage: Stage, progress: float, now: datetime
    ) -> bool:
        await self._rows.lock(DOCUMENTS, document_id)
        stored: Document | None = self._by_id(DOCUMENTS, document_id)
        if stored is None or stored.revision != revision or stored.is_deleted or stored.status not in UNFINISHED:
            return False
        noted = evolve(
            stored,
            status=DocumentStatus.PROCESSING,
            stage=stage,
            progress=min(max(progress, 0.0), 1.0),
            updated_at=now,
        )
        self._rows.put(DOCUMENTS, document_id, noted)
        return True

    async def page(
        self, workspace_id: WorkspaceId, query: DocumentQuery, *, limit: int, after: DocumentId | None = None
    ) -> list[Document]:
        rows = [
            one
            for one in self._rows.rows(DOCUMENTS)
            if one.workspace_id == workspace_id and not one.is_deleted and _fits(one, query)
        ]
        page = self._page(
            DOCUMENTS,
            rows,
            after=after,
            limit=limit,
            key=title_key if query.sort.is_by_title else created_at,
            newest_first=query.sort.is_descending,
        )
        return [self._rows.saw(one) for one in page]

    async def totals(self, workspace_id: WorkspaceId) -> DocumentTotals:
        rows = [one for one in self._rows.rows(DOCUMENTS) if one.workspace_id == workspace_id and not one.is_deleted]
        return DocumentTotals(
            documents=len(rows), bytes=sum(one.size for one in rows), chunks=sum(one.chunk_count for one in rows)
        )

    async def languages(
        self, workspace_id: WorkspaceId, collections: Collection[CollectionId], *, limit: int
    ) -> dict[str | None, int]:
        rows = [
            one
            for one in self._rows.rows(DOCUMENTS)
            if one.workspace_id == workspace_id
            and one.collection_id in collections
            and one.live_revision is not None
            and not one.is_deleted
        ]
        youngest = sorted(rows, key=lambda one: (one.created_at, one.id), reverse=True)[:limit]
        return dict(Counter(one.language for one in youngest))

    async def unfinished(self, *, idle_since: datetime, limit: int) -> list[Document]:
        queued = [waiting.job for waiting in self._rows.database.jobs]
        worked_on = {(job.document_id, job.revision) for job in queued if isinstance(job, IngestDocument)}
        rows = [
            one
            for one in self._rows.rows(DOCUMENTS)
            if one.status in UNFINISHED
            and not one.is_deleted
            and one.updated_at < idle_since
            and (one.id, one.revision) not in worked_on
        ]
        return [self._rows.saw(one) for one in sorted(rows, key=lambda one: (one.updated_at, one.id))[:limit]]

    async def inventory(
        self, workspace_id: WorkspaceId, *, limit: int, after: DocumentId | None = None
    ) -> list[DocumentState]:
        stored, live = list(self._rows.rows(CHUNKS)), live_generation(self._rows)
        rows = sorted((one for one in self._rows.rows(DOCUMENTS) if one.workspace_id == workspace_id), key=_by_id)
        return [
            DocumentState(
                id=one.id,
                status=one.status,
                revision=one.revision,
                live_revision=one.live_revision,
                chunk_count=one.chunk_count,
                live_chunks=sum(
                    (s.chunk.document_id, s.chunk.revision, s.generation) == (one.id, one.live_revision, live)
                    for s in stored
                ),
                old_chunks=sum(s.chunk.document_id == one.id and s.chunk.revision != one.live_revision for s in stored),
                file_key=one.file_key,
                is_deleted=one.is_deleted,
                updated_at=one.updated_at,
            )
            for one in rows
            if after is None or one.id > after
        ][:limit]

    async def delete_all(self, collection_id: CollectionId, *, moved_to: CollectionId, now: datetime) -> int:
        deleted = 0
        for one in [one for one in self._rows.rows(DOCUMENTS) if one.collection_id == collection_id]:
            await self._rows.lock(DOCUMENTS, one.id)
            deleted += not one.is_deleted
            self._rows.put(DOCUMENTS, one.id, evolve(one.deleted(now), collection_id=moved_to))
        return deleted

    async def tombstones(self, workspace_id: WorkspaceId, *, limit: int) -> list[Document]:
        rows = [one for one in self._rows.rows(DOCUMENTS) if one.workspace_id == workspace_id and one.is_deleted]
        return [self._rows.saw(one) for one in sorted(rows, key=lambda one: (one.deleted_at, one.id))[:limit]]

    async def forget(self, document_ids: Sequence[DocumentId]) -> None:
        for document_id in document_ids:
            await self._rows.lock(DOCUMENTS, document_id)
            stored: Document | None = self._by_id(DOCUMENTS, document_id)
            if stored is not None and stored.is_deleted:
                self._rows.delete(DOCUMENTS, document_id)

    def _collect(self, document: Document) -> None:
        known = self._rows.events
        known += [event for event in document.events if not any(event is other for other in known)]


def _by_id(document: Document) -> UUID:
    return document.id


def _fits(document: Document, query: DocumentQuery) -> bool:
    return (
        document.collection_id in query.readable
        and query.collection_id in {None, document.collection_id}
        and query.status in {None, document.status}
        and (query.tag is None or query.tag in document.tags)
        and (query.text is None or fold(query.text) in fold(f"{document.title}\n{document.filename}"))
    )


def _place(page: StoredPage) -> tuple[UUID, int, int, int]:
    return page.document_id, page.revision, page.generation, page.page.number


def live_generation(rows: FakeTransaction) -> int:
    """The number of the live one, 1 before the first is recorded."""
    live: Generation | None = rows.first(GENERATIONS, lambda one: one.state is GenerationState.LIVE)
    return live.number if live else 1


class FakeErasures(FakeRepository):
    async def add(self, erasures: Sequence[Erasure]) -> None:
        for erasure in erasures:
            if await self.get(erasure.document_id) is None:
                self._rows.put(ERASURES, erasure.document_id, erasure)

    async def get(self, document_id: DocumentId) -> Erasure | None:
        found: Erasure | None = self._rows.first(ERASURES, lambda one: one.document_id == document_id)
        return found


class FakePassages(FakeRepository):
    async def replace(
        self,
        document_id: DocumentId,
        revision: int,
        chunks: Sequence[Chunk],
        pages: Sequence[tuple[Page, str]],
        *,
        generation: int = 1,
    ) -> None:
        await self._rows.lock(DOCUMENTS, document_id)
        document: Document | None = self._by_id(DOCUMENTS, document_id)
        if document is None:
            raise ConcurrentChange("the document is gone")
        self._drop(document_id, lambda of, in_generation: (of, in_generation) == (revision, generation))
        for chunk in chunks:
            self._rows.put(CHUNKS, chunk.id, StoredChunk(document.workspace_id, chunk, generation))
        for page, text in pages:
            stored = StoredPage(document.workspace_id, document_id, revision, page, text, generation)
            self._rows.put(PAGES, _place(stored), stored)

    async def copy_pages(self, document_id: DocumentId, revision: int, *, generation: int) -> None:
        live = live_generation(self._rows)
        for stored in list(self._rows.rows(PAGES)):
            if (stored.document_id, stored.revision, stored.generation) == (document_id, revision, live):
                copied = evolve(stored, generation=generation)
                self._rows.put(PAGES, _place(copied), copied)

    async def live(
        self, chunk_ids: Sequence[ChunkId], *, readable: frozenset[CollectionId]
    ) -> dict[ChunkId, LivePassage]:
        documents = {one.id: one for one in self._rows.rows(DOCUMENTS)}
        found = {}
        for stored in self._rows.rows(CHUNKS):
            chunk, document = stored.chunk, documents.get(stored.chunk.document_id)
            if (
                chunk.id in chunk_ids
                and document is not None
                and not document.is_deleted
                and document.live_revision == chunk.revision
                and document.collection_id in readable
            ):
                found[chunk.id] = LivePassage(
                    chunk=chunk,
                    document=DocumentRef(
                        id=document.id,
                        title=document.title,
                        filename=document.filename,
                        media_type=document.media_type,
                        collection_id=document.collection_id,
                    ),
                )
        return found

    async def of_document(
        self, document_id: DocumentId, revision: int, *, limit: int, after: int | None = None
    ) -> list[Chunk]:
        live = live_generation(self._rows)
        chunks = [
            stored.chunk
            for stored in self._rows.rows(CHUNKS)
            if stored.chunk.document_id == document_id
            and stored.chunk.revision == revision
            and stored.generation == live
            and (after is None or stored.chunk.ordinal > after)
        ]
        return sorted(chunks, key=lambda chunk: chunk.ordinal)[:limit]

    async def beside(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        places = {(one.document_id, one.revision, one.ordinal + step) for one in chunks for step in (-1, 1)}
        stored = [row.chunk for row in self._rows.rows(CHUNKS)]
        return [one for one in stored if (one.document_id, one.revision, one.ordinal) in places]

    async def read_page(self, document_id: DocumentId, revision: int, number: int) -> tuple[Page, str] | None:
        place = (document_id, revision, live_generation(self._rows), number)
        found: StoredPage | None = self._rows.first(PAGES, lambda stored: _place(stored) == place)
        return (found.page, found.text) if found else None

    async def pages_of(self, chunks: Sequence[Chunk]) -> dict[ChunkId, list[Page]]:
        wanted = {chunk.id for chunk in chunks}
        found: dict[ChunkId, list[Page]] = {}
        for one in [stored for stored in self._rows.rows(CHUNKS) if stored.chunk.id in wanted]:
            chunk = one.chunk
            place = (chunk.document_id, chunk.revision, one.generation)
            for page in sorted(self._rows.rows(PAGES), key=lambda stored: stored.page.number):
                is_of = (page.document_id, page.revision, page.generation) == place
                if is_of and chunk.page_from is not None and chunk.page_from <= page.page.number <= chunk.page_to:
                    found.setdefault(chunk.id, []).append(page.page)
        return found

    async def of_documents(
        self, document_ids: Sequence[DocumentId], *, limit: int, after: ChunkId | None = None
    ) -> list[Chunk]:
        chunks = [stored.chunk for stored in self._rows.rows(CHUNKS) if stored.chunk.document_id in document_ids]
        return sorted((c for c in chunks if after is None or c.id > after), key=lambda chunk: chunk.id)[:limit]

    async def remove_all(self, document_ids: Sequence[DocumentId]) -> None:
        for document_id in document_ids:
            self._drop(document_id, lambda _revision, _generation: True)

    async def keep_live(self, document_id: DocumentId) -> int:
        document: Document | None = self._by_id(DOCUMENTS, document_id)
        if document is None or document.live_revision is None:
            return 0
        return self._drop(document_id, lambda stored, _: stored != document.live_revision)

    def _drop(self, document_id: DocumentId, is_meant: Callable[[int, int], bool]) -> int:
        """`is_meant` is asked about revision and generation."""
        removed = 0
        for stored in list(self._rows.rows(PAGES)):
            if stored.document_id == document_id and is_meant(stored.revision, stored.generation):
                self._rows.delete(PAGES, _place(stored))
        for stored in list(self._rows.rows(CHUNKS)):
            if stored.chunk.document_id == document_id and is_meant(stored.chunk.revision, stored.generation):
                self._rows.delete(CHUNKS, stored.chunk.id)
                removed += 1
        return removed

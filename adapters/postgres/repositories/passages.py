"""Chunks and pages."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Uuid, and_, any_, bindparam, delete, insert, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.postgres.generation_tables import live_generation
from adapters.postgres.mapping_documents import chunk_from, chunk_values, page_from, page_values
from adapters.postgres.prepared import Prepared
from adapters.postgres.session import Session, one_of
from adapters.postgres.tables import chunks as chunks_table
from adapters.postgres.tables import documents
from adapters.postgres.tables import pages as pages_table
from application.errors import ConcurrentChange
from application.ports.document_repositories import LivePassage
from domain.ids import ChunkId, CollectionId, DocumentId
from domain.passages import Chunk, DocumentRef, Page

_IDS: Final = bindparam("ids", type_=ARRAY(Uuid))
_LIVE: Final = Prepared.of(
    select(
        chunks_table,
        documents.c.title,
        documents.c.filename,
        documents.c.media_type,
        documents.c.collection_id,
    )
    .join(documents, documents.c.id == chunks_table.c.document_id)
    .where(
        chunks_table.c.id == any_(_IDS),
        chunks_table.c.revision == documents.c.live_revision,
        documents.c.deleted_at.is_(None),
        documents.c.collection_id == any_(bindparam("readable", type_=ARRAY(Uuid))),
    )
)
_NEAR: Final = chunks_table.alias("near")
_BESIDE: Final = Prepared.of(
    select(chunks_table)
    .join(
        _NEAR,
        and_(
            chunks_table.c.document_id == _NEAR.c.document_id,
            chunks_table.c.revision == _NEAR.c.revision,
            chunks_table.c.generation == _NEAR.c.generation,
            or_(chunks_table.c.ordinal == _NEAR.c.ordinal - 1, chunks_table.c.ordinal == _NEAR.c.ordinal + 1),
        ),
    )
    .where(_NEAR.c.id == any_(_IDS))
)


class PostgresPassages:
    """Keeps the promises of `application.ports.repositories.Passages`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def replace(
        self,
        document_id: DocumentId,
        revision: int,
        chunks: Sequence[Chunk],
        pages: Sequence[tuple[Page, str]],
        *,
        generation: int = 1,
    ) -> None:
        """Store a revision's chunks and pages; `ConcurrentChange` when the document's row is gone."""
        document = await self._session.one(
            # two runs of the same job take turns here instead of colliding on the chunks' ids
            select(documents.c.workspace_id).where(documents.c.id == document_id).with_for_update(key_share=True)
        )
        if document is None:
            raise ConcurrentChange("The document is gone.")
        workspace_id = document["workspace_id"]
        for table in (chunks_table, pages_table):
            await self._session.execute(
                delete(table).where(
                    table.c.document_id == document_id,
                    table.c.revision == revision,
                    table.c.generation == generation,
                )
            )
        if chunks:
            await self._session.execute(
                insert(chunks_table), [chunk_values(chunk, workspace_id, generation) for chunk in chunks]
            )
        if pages:
            await self._session.execute(
                insert(pages_table),
                [
                    page_values(
                        page,
                        text,
                        workspace_id=workspace_id,
                        document_id=document_id,
                        revision=revision,
                        generation=generation,
                    )
                    for page, text in pages
                ],
            )

    async def copy_pages(self, document_id: DocumentId, revision: int, *, generation: int) -> None:
        """Give a generation the live one's pages of a revision."""
        others = [column for column in pages_table.c if column.name != "generation"]
        present = select(*others, literal(generation)).where(
            pages_table.c.document_id == document_id,
            pages_table.c.revision == revision,
            pages_table.c.generation == live_generation(),
        )
        await self._session.execute(
            insert(pages_table).from_select([*(column.name for column in others), "generation"], present)
        )

    async def live(
        self, chunk_ids: Sequence[ChunkId], *, readable: frozenset[CollectionId]
    ) -> dict[ChunkId, LivePassage]:
        """Those that belong to the live revision of a document, not deleted, in a readable collection."""
        rows = await self._session.rows(_LIVE, ids=list(chunk_ids), readable=list(readable))
        return {
            row["id"]: LivePassage(
                chunk=chunk_from(row),
                document=DocumentRef(
                    id=row["document_id"],
                    title=row["title"],
                    filename=row["filename"],
                    media_type=row["media_type"],
                    collection_id=row["collection_id"],
                ),
            )
            for row in rows
        }

    async def of_document(
        self, document_id: DocumentId, revision: int, *, limit: int, after: int | None = None
    ) -> list[Chunk]:
        """In reading order, from the ordinal after `after`."""
        rows = await self._session.all(
            select(chunks_table)
            .where(
                chunks_table.c.document_id == document_id,
                chunks_table.c.revision == revision,
                chunks_table.c.generation == live_generation(),
                chunks_table.c.ordinal > (-1 if after is None else after),
            )
            .order_by(chunks_table.c.ordinal)
            .limit(limit)
        )
        return [chunk_from(row) for row in rows]

    async def beside(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Those that stand directly before or after one of them."""
        rows = await self._session.rows(_BESIDE, ids=[chunk.id for chunk in chunks])
        return list({row["id"]: chunk_from(row) for row in rows}.values())  # one may stand between two

    async def read_page(self, document_id: DocumentId, revision: int, number: int) -> tuple[Page, str] | None:
        """One page with its text."""
        row = await self._session.one(
            select(pages_table).where(
                pages_table.c.document_id == document_id,
                pages_table.c.revision == revision,
                pages_table.c.generation == live_generation(),
                pages_table.c.number == number,
            )
        )
        return (page_from(row), row["text"]) if row else None

    async def pages_of(self, chunks: Sequence[Chunk]) -> dict[ChunkId, list[Page]]:
        """The pages that each chunk stands on, ascending."""
        columns = [column for column in pages_table.c if column.name != "text"]
        rows = await self._session.all(
            select(chunks_table.c.id.label("chunk_id"), *columns)
            .join(
                pages_table,
                and_(
                    pages_table.c.document_id == chunks_table.c.document_id,
                    pages_table.c.revision == chunks_table.c.revision,
                    pages_table.c.generation == chunks_table.c.generation,
                    pages_table.c.number.between(chunks_table.c.page_from, chunks_table.c.page_to),
                ),
            )
            .where(one_of(chunks_table.c.id, [chunk.id for chunk in chunks]))
            .order_by(pages_table.c.number)
        )
        found: dict[ChunkId, list[Page]] = {}
        for row in rows:
            found.setdefault(row["chunk_id"], []).append(page_from(row))
        return found

    async def of_documents(
        self, document_ids: Sequence[DocumentId], *, limit: int, after: ChunkId | None = None
    ) -> list[Chunk]:
        """Chunks of all their revisions and generations, by id, from the one after `after`."""
        rows = await self._session.all(
            select(chunks_table)
            .where(one_of(chunks_table.c.document_id, document_ids), *([chunks_table.c.id > after] if after else []))
            .order_by(chunks_table.c.id)
            .limit(limit)
        )
        return [chunk_from(row) for row in rows]

    async def remove_all(self, document_ids: Sequence[DocumentId]) -> None:
        """Remove all chunks and pages of these documents."""
        for table in (pages_table, chunks_table):
            await self._session.execute(delete(table).where(one_of(table.c.document_id, document_ids)))

    async def keep_live(self, document_id: DocumentId) -> int:
        """Remove all but the live revision's: it is looked up by the statement itself, so none goes live between."""
        live = select(documents.c.live_revision).where(documents.c.id == document_id).scalar_subquery()
        removed = 0
        for table in (pages_table, chunks_table):
            others = delete(table).where(table.c.document_id == document_id, table.c.revision != live)
            removed = (await self._session.execute(others)).rowcount
        return removed

"""Documents of a workspace."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, ScalarSelect, bindparam, delete, func, select, text, update
from sqlalchemy.dialects import postgresql

from adapters.postgres.generation_tables import live_generation
from adapters.postgres.mapping_documents import document_from, document_values
from adapters.postgres.mapping_values import fold
from adapters.postgres.prepared import Prepared
from adapters.postgres.queue_schema import QUEUE
from adapters.postgres.session import Session, after_key, one_of
from adapters.postgres.tables import UQ_DOCUMENTS_SHA256, chunks, documents
from application.errors import AlreadyExists
from application.ports.document_repositories import DocumentQuery, DocumentState, DocumentTotals
from domain.documents import Document, DocumentStatus, Stage
from domain.ids import CollectionId, DocumentId, WorkspaceId

_BY_ID: Final = Prepared.of(select(documents).where(documents.c.id == bindparam("id")))
_UNFINISHED = (DocumentStatus.QUEUED.value, DocumentStatus.PROCESSING.value)
_NO_JOB = f"""
    NOT EXISTS (
        SELECT FROM {QUEUE.queue_table} AS job
        WHERE job.dedupe_key = 'ingest/' || documents.id || '/' || documents.revision
            AND job.status IN ('queued', 'picked')
    )
"""


class PostgresDocuments:
    """Keeps the promises of `application.ports.repositories.Documents`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, document_id: DocumentId) -> Document | None:
        """By id, tombstones too."""
        row = await self._session.first(_BY_ID, id=document_id)
        return self._seen(document_from(row)) if row else None

    async def get_many(self, document_ids: Sequence[DocumentId]) -> dict[DocumentId, Document]:
        """Those there are, tombstones too."""
        rows = await self._session.all(select(documents).where(one_of(documents.c.id, document_ids)))
        return {row["id"]: self._seen(document_from(row)) for row in rows}

    async def find_duplicate(self, collection_id: CollectionId, sha256: str) -> Document | None:
        """A document of that collection, not deleted, whose present revision has these bytes."""
        row = await self._session.one(
            select(documents).where(
                documents.c.collection_id == collection_id,
                documents.c.sha256 == sha256,
                documents.c.deleted_at.is_(None),
            )
        )
        return self._seen(document_from(row)) if row else None

    async def add(self, document: Document) -> None:
        """A new one; the transaction stays usable when the same bytes were there first."""
        added = await self._session.execute(
            postgresql.insert(documents)
            .values(document_values(document))
            .on_conflict_do_nothing(
                index_elements=["collection_id", "sha256"], index_where=documents.c.deleted_at.is_(None)
            )
        )
        if not added.rowcount:
            raise AlreadyExists("The collection holds these bytes already.", constraint=UQ_DOCUMENTS_SHA256)
        self._seen(document)
        self._session.collect(document.events)

    async def save(self, document: Document) -> None:
        """The present state; its events are collected."""
        await self._session.save(documents, document_values(document))
        self._session.collect(document.events)

    async def report(
        self, document_id: DocumentId, revision: int, stage: Stage, progress: float, now: datetime
    ) -> bool:
        """Note progress without a version. False when nobody should be working on that revision any more."""
        noted = await self._session.execute(
            update(documents)
            .where(
                documents.c.id == document_id,
                documents.c.revision == revision,
                documents.c.deleted_at.is_(None),
                documents.c.status.in_(_UNFINISHED),
            )
            .values(
                status=DocumentStatus.PROCESSING.value,
                stage=stage.value,
                progress=min(max(progress, 0.0), 1.0),
                updated_at=now,
            )
        )
        return bool(noted.rowcount)

    async def page(
        self, workspace_id: WorkspaceId, query: DocumentQuery, *, limit: int, after: DocumentId | None = None
    ) -> list[Document]:
        """A page in the query's order, ties by id."""
        key = documents.c.title_key if query.sort.is_by_title else documents.c.created_at
        keys = (key, documents.c.id)
        descending = query.sort.is_descending
        rows = await self._session.all(
            select(documents)
            .where(
                documents.c.workspace_id == workspace_id,
                documents.c.deleted_at.is_(None),
                one_of(documents.c.collection_id, query.readable),
                *_asked(query),
                *after_key(documents, keys, after, descending=descending),
            )
            .order_by(*(column.desc() if descending else column for column in keys))
            .limit(limit)
        )
        return [self._seen(document_from(row)) for row in rows]

    async def totals(self, workspace_id: WorkspaceId) -> DocumentTotals:
        """How many there are, and how much of them is stored."""
        row = await self._session.one(
            select(
                func.count().label("documents"),
                func.coalesce(func.sum(documents.c.size), 0).label("bytes"),
                func.coalesce(func.sum(documents.c.chunk_count), 0).label("chunks"),
            ).where(documents.c.workspace_id == workspace_id, documents.c.deleted_at.is_(None))
        )
        return DocumentTotals(**{name: int(value) for name, value in (row or {}).items()})

    async def languages(
        self, workspace_id: WorkspaceId, collections: Collection[CollectionId], *, limit: int
    ) -> dict[str | None, int]:
        """How many of the youngest that can be found are in which language."""
        youngest = (
            select(documents.c.language)
            .where(
                documents.c.workspace_id == workspace_id,
                documents.c.deleted_at.is_(None),
                documents.c.live_revision.is_not(None),
                one_of(documents.c.collection_id, collections),
            )
            .order_by(documents.c.created_at.desc(), documents.c.id.desc())
            .limit(limit)
            .subquery()
        )
        rows = await self._session.all(
            select(youngest.c.language, func.count().label("count")).group_by(youngest.c.language)
        )
        return {row["language"]: row["count"] for row in rows}

    async def unfinished(self, *, idle_since: datetime, limit: int) -> list[Document]:
        """Queued or processing, not touched since, and no job waits or runs for it."""
        rows = await self._session.all(
            select(documents)
            .where(
                documents.c.deleted_at.is_(None),
                documents.c.status.in_(_UNFINISHED),
                documents.c.updated_at < idle_since,
                text(_NO_JOB),
            )
            .order_by(documents.c.updated_at, documents.c.id)
            .limit(limit)
        )
        return [self._seen(document_from(row)) for row in rows]

    async def inventory(
        self, workspace_id: WorkspaceId, *, limit: int, after: DocumentId | None = None
    ) -> list[DocumentState]:
        """What the database holds of each document, by id."""
        own = chunks.c.document_id == documents.c.id
        rows = await self._session.all(
            select(
                documents,
                _count(
                    own, chunks.c.revision == documents.c.live_revision, chunks.c.generation == live_generation()
                ).label("live_chunks"),
                _count(own, chunks.c.revision.is_distinct_from(documents.c.live_revision)).label("old_chunks"),
            )
            .where(documents.c.workspace_id == workspace_id, *([documents.c.id > after] if after else []))
            .order_by(documents.c.id)
            .limit(limit)
        )
        return [
            DocumentState(
                id=row["id"],
                status=DocumentStatus(row["status"]),
                revision=row["revision"],
                live_revision=row["live_revision"],
                chunk_count=row["chunk_count"],
                live_chunks=row["live_chunks"],
                old_chunks=row["old_chunks"],
                file_key=row["file_key"],
                is_deleted=row["deleted_at"] is not None,
                updated_at=row["updated_at"],
            )
            for row in rows
        ]

    async def delete_all(self, collection_id: CollectionId, *, moved_to: CollectionId, now: datetime) -> int:
        """Tombstones for all documents of a collection; all its rows move. How many were new."""
        of_collection = documents.c.collection_id == collection_id
        deleted = await self._session.execute(
            update(documents)
            .where(of_collection, documents.c.deleted_at.is_(None))
            .values(deleted_at=now, updated_at=now, version=documents.c.version + 1)
        )
        await self._session.execute(update(documents).where(of_collection).values(collection_id=moved_to))
        return deleted.rowcount

    async def tombstones(self, workspace_id: WorkspaceId, *, limit: int) -> list[Document]:
        """Deleted ones whose rows are still there, longest deleted first."""
        rows = await self._session.all(
            select(documents)
            .where(documents.c.workspace_id == workspace_id, documents.c.deleted_at.is_not(None))
            .order_by(documents.c.deleted_at, documents.c.id)
            .limit(limit)
        )
        return [self._seen(document_from(row)) for row in rows]

    async def forget(self, document_ids: Sequence[DocumentId]) -> None:
        """Remove the rows of deleted documents; others stay."""
        await self._session.execute(
            delete(documents).where(one_of(documents.c.id, document_ids), documents.c.deleted_at.is_not(None))
        )

    def _seen(self, document: Document) -> Document:
        self._session.saw(document.id, document.version)
        return document


def _count(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    """Chunks of each document that meet them."""
    return select(func.count()).select_from(chunks).where(*conditions).correlate(documents).scalar_subquery()


def _asked(query: DocumentQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.collection_id is not None:
        conditions.append(documents.c.collection_id == query.collection_id)
    if query.status is not None:
        conditions.append(documents.c.status == query.status.value)
    if query.tag is not None:
        conditions.append(documents.c.tags.contains([query.tag]))
    if query.text is not None:
        conditions.append(documents.c.search_key.contains(fold(query.text), autoescape=True))
    return conditions

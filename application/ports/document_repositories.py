"""How documents, their passages and the receipts of their end are stored; see `repositories` for what holds of all."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from attrs import frozen

from domain.documents import Document, DocumentStatus, Stage
from domain.erasure import Erasure
from domain.ids import (
    ChunkId,
    CollectionId,
    DocumentId,
    WorkspaceId,
)
from domain.passages import Chunk, DocumentRef, Page


class DocumentSort(StrEnum):
    """Orders of a list of documents."""

    NEWEST = "-created_at"
    OLDEST = "created_at"
    TITLE = "title"
    TITLE_DOWN = "-title"

    @property
    def is_descending(self) -> bool:
        """Whether what is greatest comes first."""
        return self.value.startswith("-")

    @property
    def is_by_title(self) -> bool:
        """By title in any case, else by age."""
        return self.value.removeprefix("-") == "title"


@frozen(kw_only=True)
class DocumentQuery:
    """Which documents of a workspace; deleted ones never show. None asks nothing."""

    readable: frozenset[CollectionId]
    collection_id: CollectionId | None = None
    status: DocumentStatus | None = None
    tag: str | None = None
    text: str | None = None  # in title or filename, any case
    sort: DocumentSort = DocumentSort.NEWEST


@frozen(kw_only=True)
class DocumentTotals:
    """What is stored of a workspace's documents, deleted ones left out."""

    documents: int
    bytes: int  # of the original files
    chunks: int  # of live revisions


@frozen(kw_only=True)
class DocumentState:
    """What the database holds of one document, for the reconciler."""

    id: DocumentId
    status: DocumentStatus
    revision: int
    live_revision: int | None
    chunk_count: int  # as its row says
    live_chunks: int  # rows of the live revision in the live generation of the index
    old_chunks: int  # rows of other revisions
    file_key: str
    is_deleted: bool
    updated_at: datetime


class Documents(Protocol):
    """Documents of a workspace."""

    async def get(self, document_id: DocumentId) -> Document | None:
        """By id, tombstones too."""
        ...

    async def get_many(self, document_ids: Sequence[DocumentId]) -> dict[DocumentId, Document]:
        """Those there are, tombstones too."""
        ...

    async def find_duplicate(self, collection_id: CollectionId, sha256: str) -> Document | None:
        """A document of that collection, not deleted, whose present revision has these bytes."""
        ...

    async def add(self, document: Document) -> None:
        """A new one; its events are collected. `AlreadyExists` (constraint ``uq_documents_collection_sha256``)
        when a race put the same bytes into the same collection first.
        """
        ...

    async def save(self, document: Document) -> None:
        """The present state; its events are collected."""
        ...

    async def report(
        self, document_id: DocumentId, revision: int, stage: Stage, progress: float, now: datetime
    ) -> bool:
        """Note progress without a version. False when the revision is no longer the one worked on, or is deleted."""
        ...

    async def page(
        self, workspace_id: WorkspaceId, query: DocumentQuery, *, limit: int, after: DocumentId | None = None
    ) -> list[Document]:
        """A page in the query's order, ties by id."""
        ...

    async def totals(self, workspace_id: WorkspaceId) -> DocumentTotals:
        """How many there are, and how much of them is stored."""
        ...

    async def languages(
        self, workspace_id: WorkspaceId, collections: Collection[CollectionId], *, limit: int
    ) -> dict[str | None, int]:
        """How many of the `limit` youngest documents there that can be found are in which language; None: unknown."""
        ...

    async def unfinished(self, *, idle_since: datetime, limit: int) -> list[Document]:
        """Queued or processing, not touched since, and no job waits or runs for it. All workspaces."""
        ...

    async def inventory(
        self, workspace_id: WorkspaceId, *, limit: int, after: DocumentId | None = None
    ) -> list[DocumentState]:
        """What the database holds of each document, tombstones too, by id."""
        ...

    async def delete_all(self, collection_id: CollectionId, *, moved_to: CollectionId, now: datetime) -> int:
        """Tombstones for all documents of a collection; all its rows move, so that it can go. How many were new.

        No event is collected: the caller asks for the erasure.
        """
        ...

    async def tombstones(self, workspace_id: WorkspaceId, *, limit: int) -> list[Document]:
        """Deleted ones whose rows are still there, longest deleted first."""
        ...

    async def forget(self, document_ids: Sequence[DocumentId]) -> None:
        """Remove the rows of deleted documents, after everything else of them is gone; others stay."""
        ...


class Erasures(Protocol):
    """Receipts of erased documents."""

    async def add(self, erasures: Sequence[Erasure]) -> None:
        """Keep them; one that is there already stays as it is."""
        ...

    async def get(self, document_id: DocumentId) -> Erasure | None:
        """The receipt of a document, None while there is none."""
        ...


@frozen(kw_only=True)
class LivePassage:
    """A chunk of a live revision and what is told of its document."""

    chunk: Chunk
    document: DocumentRef


class Passages(Protocol):
    """Chunks and pages, by generation of the index. What is read in order is of the live one."""

    async def replace(
        self,
        document_id: DocumentId,
        revision: int,
        chunks: Sequence[Chunk],
        pages: Sequence[tuple[Page, str]],
        *,
        generation: int = 1,
    ) -> None:
        """Store a revision's chunks, and its pages each with its text, in place of what the generation had of it.

        `ConcurrentChange` when the document's row is gone.
        """
        ...

    async def copy_pages(self, document_id: DocumentId, revision: int, *, generation: int) -> None:
        """Give a generation the live one's pages of a revision."""
        ...

    async def live(
        self, chunk_ids: Sequence[ChunkId], *, readable: frozenset[CollectionId]
    ) -> dict[ChunkId, LivePassage]:
        """Those that belong to the live revision of a document, not deleted, in a readable collection."""
        ...

    async def of_document(
        self, document_id: DocumentId, revision: int, *, limit: int, after: int | None = None
    ) -> list[Chunk]:
        """In reading order, from the ordinal after `after`."""
        ...

    async def beside(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Those that stand directly before or after one of them, in the same revision; in no order, each once."""
        ...

    async def read_page(self, document_id: DocumentId, revision: int, number: int) -> tuple[Page, str] | None:
        """One page with its text."""
        ...

    async def pages_of(self, chunks: Sequence[Chunk]) -> dict[ChunkId, list[Page]]:
        """The pages that each chunk stands on, ascending; nothing for chunks that are gone or have no pages."""
        ...

    async def of_documents(
        self, document_ids: Sequence[DocumentId], *, limit: int, after: ChunkId | None = None
    ) -> list[Chunk]:
        """Chunks of all their revisions and generations, by id, from the one after `after`."""
        ...

    async def remove_all(self, document_ids: Sequence[DocumentId]) -> None:
        """Remove all chunks and pages of these documents."""
        ...

    async def keep_live(self, document_id: DocumentId) -> int:
        """Remove chunks and pages of every revision but the one that is live at this moment. How many chunks went.

        Nothing is removed where none is live.
        """
        ...

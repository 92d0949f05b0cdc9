"""The index of passages."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attrs import field, frozen

from application.ports.embedding import Vector
from domain.documents import MetadataValue
from domain.ids import ChunkId, CollectionId, DocumentId, WorkspaceId
from domain.passages import SearchMode


@frozen(kw_only=True)
class IndexedChunk:
    """A chunk as the index keeps it. The text itself is not kept: it goes into the sparse vector."""

    chunk_id: ChunkId
    document_id: DocumentId
    revision: int
    ordinal: int
    collection_id: CollectionId
    text: str  # with its headings: what is matched by words
    around: str = ""  # the passage with its title and what stands before and after: matched by words too, for less
    dense: Vector
    language: str | None
    media_type: str
    tags: tuple[str, ...]
    metadata: Mapping[str, MetadataValue]
    created_at: datetime


@frozen(kw_only=True)
class PassageFilter:
    """Every condition must hold; None asks nothing. An empty set matches nothing.

    `readable` is not optional: the caller always says which collections the asker may read.
    """

    readable: frozenset[CollectionId]
    collection_ids: frozenset[CollectionId] | None = None
    document_ids: frozenset[DocumentId] | None = None
    tags: frozenset[str] | None = None  # any of them
    media_types: frozenset[str] | None = None
    created_from: datetime | None = None  # inclusive
    created_to: datetime | None = None  # exclusive
    metadata: Mapping[str, MetadataValue] | None = None  # all of them, equal


@frozen(kw_only=True)
class VectorQuery:
    """What to look for: `dense` for semantic, `text` for keyword, both for hybrid."""

    mode: SearchMode
    text: str
    dense: Vector | None
    language: str | None  # ISO 639-1, of the text; None where that is not known
    filter: PassageFilter
    limit: int


@frozen(kw_only=True)
class VectorHit:
    """A chunk that was found; higher scores are better, comparable within one answer only."""

    chunk_id: ChunkId
    score: float


@frozen(kw_only=True)
class IndexedRevision:
    """What the index holds of one revision."""

    document_id: DocumentId
    revision: int
    chunks: int = field(default=0)


class VectorIndex(Protocol):
    """Dense and sparse vectors of chunks, by workspace. No call works without one.

    Raises `application.errors.VectorsUnavailable` when the engine cannot be used.
    """

    async def prepare(self) -> None:
        """Make what is missing of collection and payload indexes; a second call changes nothing."""
        ...

    async def upsert(self, workspace_id: WorkspaceId, chunks: Sequence[IndexedChunk]) -> None:
        """Write them; on return they are durable and found. Writing the same id again replaces it. None: no call."""
        ...

    async def search(self, workspace_id: WorkspaceId, query: VectorQuery) -> list[VectorHit]:
        """The best, best first, at most `limit`, each chunk once. May hold chunks that Postgres no longer knows."""
        ...

    async def describe(
        self,
        workspace_id: WorkspaceId,
        document_id: DocumentId,
        *,
        collection_id: CollectionId,
        tags: tuple[str, ...],
        metadata: Mapping[str, MetadataValue],
    ) -> None:
        """Set what all chunks of a document carry besides their text. An unknown document: nothing happens."""
        ...

    async def keep_revision(self, workspace_id: WorkspaceId, document_id: DocumentId, revision: int) -> None:
        """Remove every older revision of the document; younger ones stay."""
        ...

    async def delete_revision(self, workspace_id: WorkspaceId, document_id: DocumentId, revision: int) -> None:
        """Remove exactly this revision (an ingest that was given up)."""
        ...

    async def delete_documents(self, workspace_id: WorkspaceId, document_ids: Sequence[DocumentId]) -> None:
        """Remove all chunks of these documents; unknown ones are no error."""
        ...

    async def revisions(self, workspace_id: WorkspaceId) -> list[IndexedRevision]:
        """All that the index holds of a workspace, for the reconciler."""
        ...

    async def ping(self) -> None:
        """Raise `VectorsUnavailable` unless searches are answered."""
        ...

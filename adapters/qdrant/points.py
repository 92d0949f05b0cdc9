"""Chunks as Qdrant's points, and its answers as hits."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from qdrant_client import models

from adapters.qdrant import filters
from application.ports.vectors import IndexedChunk, IndexedRevision, VectorHit
from domain.documents import MetadataValue
from domain.ids import ChunkId, CollectionId, DocumentId, WorkspaceId

RULES = 3  # to be raised with every change of what a point holds, its words above all: indexes are then built anew

DENSE = "dense"
SPARSE = "sparse"


def point(workspace_id: WorkspaceId, chunk: IndexedChunk, sparse: models.SparseVector) -> models.PointStruct:
    """A chunk with both vectors and all that searches filter by; its text stays out."""
    described = description(workspace_id, chunk.collection_id, chunk.tags, chunk.metadata)
    return models.PointStruct(
        id=str(chunk.chunk_id),
        vector={DENSE: list(chunk.dense), SPARSE: sparse},
        payload={
            filters.WORKSPACE: str(workspace_id),
            filters.DOCUMENT: str(chunk.document_id),
            filters.REVISION: chunk.revision,
            filters.EDITION: f"{chunk.document_id}/{chunk.revision}",
            filters.MEDIA_TYPE: chunk.media_type,
            filters.CREATED_AT: chunk.created_at.isoformat(),
            **described,
        },
    )


def description(
    workspace_id: WorkspaceId,
    collection_id: CollectionId,
    tags: tuple[str, ...],
    metadata: Mapping[str, MetadataValue],
) -> dict[str, Any]:
    """The part of a point's payload that changes without a new revision."""
    return {
        filters.SCOPE: filters.scope(workspace_id, collection_id),
        filters.TAGS: list(tags),
        filters.METADATA: filters.facts(metadata),
    }


def hit(found: models.ScoredPoint) -> VectorHit:
    """A point that was found."""
    return VectorHit(chunk_id=ChunkId(UUID(str(found.id))), score=found.score)


def revision(edition: str, chunks: int) -> IndexedRevision:
    """From the count of an edition."""
    document, _, number = edition.partition("/")
    return IndexedRevision(document_id=DocumentId(UUID(document)), revision=int(number), chunks=chunks)

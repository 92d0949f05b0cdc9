"""Documents: list, look at, change, delete, read again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from application import deleting, document_contents, documents, erasure, reindexing
from application.ports.document_repositories import DocumentQuery, DocumentSort
from domain.documents import DocumentStatus
from domain.ids import CollectionId, DocumentId
from entrypoints.http.dependencies import ActorDep, IdentityDep, IfMatch, UseCasesDep, expected_version
from entrypoints.http.document_progress import progress
from entrypoints.http.document_resources import (
    ChunksOut,
    DocumentOut,
    DocumentsOut,
    ErasureOut,
    PageOut,
    QueuedOut,
    chunk_view,
    document_view,
    erasure_view,
    page_view,
)
from entrypoints.http.json_response import JSONResponse, encoded
from entrypoints.http.pagination import DEFAULT_LIMIT, Cursor, CursorOf, Limit, first_page, page_of
from entrypoints.http.routing import WORKSPACE, about, event_stream, problems, versioned
from entrypoints.http.schemas import DocumentPatch, Text
from entrypoints.http.sse import EventStream

router = APIRouter(tags=["documents"])
DOCUMENT = f"{WORKSPACE}/documents/{{document_id}}"


@router.get(
    f"{WORKSPACE}/documents",
    response_model=DocumentsOut,
    operation_id="listDocuments",
    summary="Documents",
    description=about(documents.ListDocuments),
)
async def list_documents(  # noqa: PLR0913 one argument per filter
    use_cases: UseCasesDep,
    actor: ActorDep,
    *,
    collection_id: UUID | None = None,
    status: DocumentStatus | None = None,
    tag: Annotated[Text | None, Query(max_length=200)] = None,
    q: Annotated[Text | None, Query(max_length=500, description="Words in title or filename, in any case.")] = None,
    sort: DocumentSort = DocumentSort.NEWEST,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """List documents."""
    query = DocumentQuery(
        readable=actor.readable_collections,
        collection_id=None if collection_id is None else CollectionId(collection_id),
        status=status,
        tag=tag,
        text=q,
        sort=sort,
    )
    cursors = CursorOf(context=("documents", actor.workspace_id, collection_id, status, tag, q, sort))
    after = cursors.decode(cursor, lambda key: DocumentId(UUID(key)))

    async def listed() -> bytes:
        found = await use_cases.list_documents(actor, query=query, limit=limit + 1, after=after)
        return encoded(page_of(found, limit, view=document_view, key=lambda shown: shown.id, cursors=cursors))

    return await first_page(use_cases, actor, use_cases.list_documents.asks, (*cursors.context, limit), after, listed)


@router.get(
    DOCUMENT,
    response_model=DocumentOut,
    operation_id="showDocument",
    summary="One document",
    description=about(documents.ShowDocument),
)
async def show_document(use_cases: UseCasesDep, actor: ActorDep, document_id: UUID) -> JSONResponse:
    """One document."""
    return versioned(document_view(await use_cases.show_document(actor, document_id=DocumentId(document_id))))


@router.patch(
    DOCUMENT,
    response_model=DocumentOut,
    operation_id="changeDocument",
    summary="Change a document",
    description=about(documents.ChangeDocument),
    responses=problems(409, 412),
)
async def change_document(
    use_cases: UseCasesDep, actor: ActorDep, document_id: UUID, body: DocumentPatch, if_match: IfMatch = None
) -> JSONResponse:
    """Change a document."""
    changed = await use_cases.change_document(
        actor,
        document_id=DocumentId(document_id),
        title=body.title,
        tags=None if body.tags is None else tuple(body.tags),
        metadata=body.metadata,
        collection_id=None if body.collection_id is None else CollectionId(body.collection_id),
        version=expected_version(if_match),
    )
    return versioned(document_view(changed))


@router.delete(
    DOCUMENT,
    status_code=204,
    operation_id="deleteDocument",
    summary="Delete a document",
    description=about(deleting.DeleteDocument),
    responses=problems(409, 412),
)
async def delete_document(
    use_cases: UseCasesDep, actor: ActorDep, document_id: UUID, if_match: IfMatch = None
) -> Response:
    """Delete a document."""
    await use_cases.delete_document(actor, document_id=DocumentId(document_id), version=expected_version(if_match))
    return Response(status_code=204)


@router.post(
    f"{DOCUMENT}/reindex",
    status_code=202,
    response_model=DocumentOut,
    operation_id="reindexDocument",
    summary="Read a document again",
    description=about(reindexing.ReindexDocument),
    responses=problems(409),
)
async def reindex_document(use_cases: UseCasesDep, actor: ActorDep, document_id: UUID) -> JSONResponse:
    """Read a document again."""
    queued = await use_cases.reindex_document(actor, document_id=DocumentId(document_id))
    return versioned(document_view(queued), status=202)


@router.post(
    f"{WORKSPACE}/reindex",
    status_code=202,
    response_model=QueuedOut,
    operation_id="reindexAll",
    summary="Read every document again",
    description=about(reindexing.ReindexAll),
    responses=problems(403),
)
async def reindex_all(use_cases: UseCasesDep, actor: ActorDep) -> JSONResponse:
    """Read every document again."""
    await use_cases.reindex_all(actor)
    return JSONResponse({"status": DocumentStatus.QUEUED.value}, status_code=202)


@router.get(
    f"{DOCUMENT}/erasure",
    response_model=ErasureOut,
    operation_id="showErasure",
    summary="The receipt of a deleted document",
    description=about(erasure.ShowErasure),
)
async def show_erasure(use_cases: UseCasesDep, actor: ActorDep, document_id: UUID) -> JSONResponse:
    """The receipt of a deleted document."""
    return JSONResponse(erasure_view(await use_cases.show_erasure(actor, document_id=DocumentId(document_id))))


@router.get(
    f"{DOCUMENT}/chunks",
    response_model=ChunksOut,
    operation_id="listChunks",
    summary="Passages of a document",
    description=about(document_contents.ListChunks),
)
async def list_chunks(
    use_cases: UseCasesDep,
    actor: ActorDep,
    document_id: UUID,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> JSONResponse:
    """Passages of a document."""
    cursors = CursorOf(context=("chunks", document_id))
    after = cursors.decode(cursor, int)
    found = await use_cases.list_chunks(actor, document_id=DocumentId(document_id), limit=limit + 1, after=after)
    return JSONResponse(page_of(found, limit, view=chunk_view, key=lambda chunk: chunk.ordinal, cursors=cursors))


@router.get(
    f"{DOCUMENT}/pages/{{number}}",
    response_model=PageOut,
    operation_id="showPage",
    summary="One page of a document",
    description=about(document_contents.ShowPage),
)
async def show_page(use_cases: UseCasesDep, actor: ActorDep, document_id: UUID, number: int) -> JSONResponse:
    """One page of a document."""
    if not 0 < number < 2**31:
        number = 0
    return JSONResponse(page_view(await use_cases.show_page(actor, document_id=DocumentId(document_id), number=number)))


@router.get(
    f"{DOCUMENT}/events",
    status_code=200,
    response_class=EventStream,
    operation_id="followDocument",
    summary="Follow a document until it is ready or failed",
    description=(
        "A `progress` event with the document at each change. When it is over, the last `progress` is followed by one "
        "event `ready` or `failed` with the document, and the stream ends."
    ),
    responses={200: event_stream("The events", "progress", "ready", "failed")},
)
async def follow_document(
    use_cases: UseCasesDep, identity: IdentityDep, actor: ActorDep, document_id: UUID
) -> EventStream:
    """Follow a document."""
    first = await use_cases.show_document(actor, document_id=DocumentId(document_id))
    return EventStream(progress(use_cases, identity, actor.workspace_id, first))

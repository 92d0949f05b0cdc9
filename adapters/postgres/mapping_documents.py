"""Documents, passages and pages from rows and into them."""

# ruff: noqa: D103 each pair is told by its names and types

from adapters.postgres.mapping_values import Row, Values, box_from_json, boxes_from_json, boxes_to_json, fold, title_key
from domain.documents import Document, DocumentStatus, Failure, FailureCode, Stage
from domain.ids import DocumentId, WorkspaceId
from domain.passages import Chunk, Page, TextSpan


def document_values(document: Document) -> Values:
    return {
        "id": document.id,
        "workspace_id": document.workspace_id,
        "collection_id": document.collection_id,
        "title": document.title,
        "filename": document.filename,
        "media_type": document.media_type,
        "size": document.size,
        "sha256": document.sha256,
        "file_key": document.file_key,
        "status": document.status.value,
        "stage": document.stage.value if document.stage else None,
        "progress": document.progress,
        "failure_code": document.failure.code.value if document.failure else None,
        "failure_message": document.failure.message if document.failure else None,
        "page_count": document.page_count,
        "chunk_count": document.chunk_count,
        "language": document.language,
        "tags": list(document.tags),
        "metadata": dict(document.metadata),
        "revision": document.revision,
        "live_revision": document.live_revision,
        "version": document.version,
        "created_by": document.created_by,
        "created_at": document.created_at,
        "updated_at": document.updated_at,
        "deleted_at": document.deleted_at,
        "title_key": title_key(document.title),
        "search_key": fold(f"{document.title}\n{document.filename}"),
    }


def document_from(row: Row) -> Document:
    failure = row["failure_code"]
    return Document(
        id=row["id"],
        workspace_id=row["workspace_id"],
        collection_id=row["collection_id"],
        title=row["title"],
        filename=row["filename"],
        media_type=row["media_type"],
        size=row["size"],
        sha256=row["sha256"],
        file_key=row["file_key"],
        status=DocumentStatus(row["status"]),
        stage=Stage(row["stage"]) if row["stage"] else None,
        progress=row["progress"],
        failure=Failure(code=FailureCode(failure), message=row["failure_message"]) if failure else None,
        page_count=row["page_count"],
        chunk_count=row["chunk_count"],
        language=row["language"],
        tags=tuple(row["tags"]),
        metadata=row["metadata"],
        revision=row["revision"],
        live_revision=row["live_revision"],
        version=row["version"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        deleted_at=row["deleted_at"],
    )


def chunk_values(chunk: Chunk, workspace_id: WorkspaceId, generation: int) -> Values:
    return {
        "id": chunk.id,
        "workspace_id": workspace_id,
        "document_id": chunk.document_id,
        "revision": chunk.revision,
        "ordinal": chunk.ordinal,
        "text": chunk.text,
        "char_from": chunk.char_from,
        "char_to": chunk.char_to,
        "page_from": chunk.page_from,
        "page_to": chunk.page_to,
        "heading_path": list(chunk.heading_path),
        "token_count": chunk.token_count,
        "boxes": boxes_to_json(chunk.boxes),
        "page_starts": [list(start) for start in chunk.page_starts],
        "generation": generation,
    }


def chunk_from(row: Row) -> Chunk:
    return Chunk(
        id=row["id"],
        document_id=row["document_id"],
        revision=row["revision"],
        ordinal=row["ordinal"],
        text=row["text"],
        char_from=row["char_from"],
        char_to=row["char_to"],
        page_from=row["page_from"],
        page_to=row["page_to"],
        heading_path=tuple(row["heading_path"]),
        token_count=row["token_count"],
        boxes=boxes_from_json(row["boxes"]),
        page_starts=tuple((page, offset) for page, offset in row["page_starts"]),
    )


def page_values(
    page: Page, text: str, *, workspace_id: WorkspaceId, document_id: DocumentId, revision: int, generation: int
) -> Values:
    return {
        "workspace_id": workspace_id,
        "document_id": document_id,
        "revision": revision,
        "number": page.number,
        "char_from": page.char_from,
        "char_to": page.char_to,
        "width": page.width,
        "height": page.height,
        "spans": [[span.char_from, span.char_to, *span.bbox] for span in page.spans],
        "text": text,
        "generation": generation,
    }


def page_from(row: Row) -> Page:
    return Page(
        number=row["number"],
        char_from=row["char_from"],
        char_to=row["char_to"],
        width=row["width"],
        height=row["height"],
        spans=tuple(
            TextSpan(char_from=span[0], char_to=span[1], bbox=box_from_json(span[2:])) for span in row["spans"]
        ),
    )

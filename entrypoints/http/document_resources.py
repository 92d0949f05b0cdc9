"""The shapes of documents, passages and what a search finds."""

from typing import Any

from pydantic import Field

from application.document_contents import PageText
from application.knowledge import SearchOutcome
from application.views import boxes_view, time_view
from domain.documents import Document, DocumentStatus, FailureCode, Stage
from domain.erasure import Erasure
from domain.passages import Chunk, Passage, SearchMode
from entrypoints.http.resources import Resource


class FailureOut(Resource):
    """Why a document failed."""

    code: FailureCode
    message: str


class DocumentOut(Resource):
    """One uploaded file and what became of it."""

    id: str
    workspace_id: str
    collection_id: str
    title: str
    filename: str
    media_type: str
    size: int
    sha256: str
    status: DocumentStatus
    stage: Stage | None
    progress: float = Field(ge=0, le=1)
    error: FailureOut | None
    page_count: int | None
    chunk_count: int
    language: str | None
    tags: list[str]
    metadata: dict[str, str | bool | int | float]
    revision: int
    version: int
    created_by: str
    created_at: str
    updated_at: str


def document_view(document: Document) -> dict[str, Any]:
    """A document."""
    failure = document.failure
    return {
        "id": str(document.id),
        "workspace_id": str(document.workspace_id),
        "collection_id": str(document.collection_id),
        "title": document.title,
        "filename": document.filename,
        "media_type": document.media_type,
        "size": document.size,
        "sha256": document.sha256,
        "status": document.status.value,
        "stage": None if document.stage is None else document.stage.value,
        "progress": round(document.progress, 4),
        "error": None if failure is None else {"code": failure.code.value, "message": failure.message},
        "page_count": document.page_count,
        "chunk_count": document.chunk_count,
        "language": document.language,
        "tags": list(document.tags),
        "metadata": dict(document.metadata),
        "revision": document.revision,
        "version": document.version,
        "created_by": str(document.created_by),
        "created_at": time_view(document.created_at),
        "updated_at": time_view(document.updated_at),
    }


class ChunkOut(Resource):
    """A passage; offsets are Unicode code points into the document's text, half open."""

    id: str
    ordinal: int
    text: str
    page_from: int | None
    page_to: int | None
    heading_path: list[str]
    char_from: int
    char_to: int
    token_count: int


def chunk_view(chunk: Chunk) -> dict[str, Any]:
    """A passage."""
    return {
        "id": str(chunk.id),
        "ordinal": chunk.ordinal,
        "text": chunk.text,
        "page_from": chunk.page_from,
        "page_to": chunk.page_to,
        "heading_path": list(chunk.heading_path),
        "char_from": chunk.char_from,
        "char_to": chunk.char_to,
        "token_count": chunk.token_count,
    }


class SpanOut(Resource):
    """A line with its place: `bbox` is left, top, right, bottom in points from the page's top left corner."""

    char_from: int
    char_to: int
    bbox: list[float]


class PageOut(Resource):
    """A page. Offsets of `spans` count from the start of its own text; `char_from` and `char_to` say where that stands
    in the document: a passage's `char_from` less the page's is the place in the page's text.
    """

    page: int
    char_from: int
    char_to: int
    width: float
    height: float
    text: str
    spans: list[SpanOut]


def page_view(shown: PageText) -> dict[str, Any]:
    """A page with the places of its lines."""
    page = shown.page
    return {
        "page": page.number,
        "char_from": page.char_from,
        "char_to": page.char_to,
        "width": page.width,
        "height": page.height,
        "text": shown.text,
        "spans": [
            {"char_from": span.char_from, "char_to": span.char_to, "bbox": list(span.bbox)} for span in page.spans
        ],
    }


class DocumentsOut(Resource):
    """A page of documents."""

    items: list[DocumentOut]
    next_cursor: str | None


class ChunksOut(Resource):
    """A page of passages."""

    items: list[ChunkOut]
    next_cursor: str | None


class ErasureOut(Resource):
    """When what was gone of a deleted document."""

    document_id: str
    deleted_at: str
    vectors_at: str
    files_at: str
    caches_at: str
    chunks_at: str


def erasure_view(erasure: Erasure) -> dict[str, Any]:
    """The receipt of an erasure."""
    return {
        "document_id": str(erasure.document_id),
        "deleted_at": time_view(erasure.deleted_at),
        "vectors_at": time_view(erasure.vectors_at),
        "files_at": time_view(erasure.files_at),
        "caches_at": time_view(erasure.caches_at),
        "chunks_at": time_view(erasure.chunks_at),
    }


class QueuedOut(Resource):
    """What was asked for is going to be done."""

    status: str


class BoxesOut(Resource):
    """Where on one page something stands."""

    page: int
    rects: list[list[float]]


class FoundDocumentOut(Resource):
    """The document of a passage."""

    id: str
    title: str
    filename: str
    media_type: str
    collection_id: str


class ResultOut(Resource):
    """A passage that was found; `highlights` are code points into `text`."""

    chunk_id: str
    document: FoundDocumentOut
    text: str
    score: float
    page_from: int | None
    page_to: int | None
    heading_path: list[str]
    char_from: int
    char_to: int
    highlights: list[tuple[int, int]]
    bboxes: list[BoxesOut]


class SearchOut(Resource):
    """What was found, best first; `mode` says which halves of the index answered, `reranked` whose order it is."""

    results: list[ResultOut]
    mode: SearchMode
    reranked: bool
    took_ms: float


def result_view(passage: Passage) -> dict[str, Any]:
    """A passage that was found."""
    chunk, document = passage.chunk, passage.document
    return {
        "chunk_id": str(chunk.id),
        "document": {
            "id": str(document.id),
            "title": document.title,
            "filename": document.filename,
            "media_type": document.media_type,
            "collection_id": str(document.collection_id),
        },
        "text": chunk.text,
        "score": passage.score,
        "page_from": chunk.page_from,
        "page_to": chunk.page_to,
        "heading_path": list(chunk.heading_path),
        "char_from": chunk.char_from,
        "char_to": chunk.char_to,
        "highlights": [list(pair) for pair in passage.highlights],
        "bboxes": boxes_view(chunk.boxes),
    }


def search_view(outcome: SearchOutcome, took_ms: float) -> dict[str, Any]:
    """What a search found."""
    return {
        "results": [result_view(passage) for passage in outcome.passages],
        "mode": outcome.mode.value,
        "reranked": outcome.reranked,
        "took_ms": round(took_ms, 1),
    }

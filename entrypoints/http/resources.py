"""What goes out: the shapes of answers as they are documented, each beside the function that builds it.

Answers are built as plain JSON values and not validated again on their way out; tests check every answer against the
published document instead.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from application.authentication import Profile, TokenPair
from application.documents import PageText
from application.knowledge import SearchOutcome
from application.ports.repositories import WorkspaceOfUser
from application.views import boxes_view, time_view
from application.workspaces import CollectionWithCount
from domain.access import Role
from domain.conversations import Conversation
from domain.documents import Document, DocumentStatus, FailureCode, Stage
from domain.passages import Chunk, Passage, SearchMode
from domain.users import User
from domain.workspaces import Visibility, Workspace

RoleName = Literal["owner", "admin", "editor", "viewer"]


class Resource(BaseModel):
    """Base of all shapes: what is not named here is not sent."""

    model_config = ConfigDict(extra="forbid")


class UserOut(Resource):
    """A person."""

    id: str
    email: str
    name: str
    created_at: str


def user_view(user: User) -> dict[str, Any]:
    """A person, without anything secret."""
    return {"id": str(user.id), "email": user.email, "name": user.name, "created_at": time_view(user.created_at)}


class WorkspaceOut(Resource):
    """A workspace as one of its members sees it."""

    id: str
    name: str
    role: RoleName
    version: int
    created_at: str


def workspace_view(workspace: Workspace, role: Role) -> dict[str, Any]:
    """A workspace and the asker's place in it."""
    return {
        "id": str(workspace.id),
        "name": workspace.name,
        "role": role.label,
        "version": workspace.version,
        "created_at": time_view(workspace.created_at),
    }


class RegisteredOut(Resource):
    """A new account and its workspace."""

    user: UserOut
    workspace: WorkspaceOut


class TokensOut(Resource):
    """A token pair; `expires_in` counts seconds."""

    access_token: str
    token_type: Literal["bearer"]
    expires_in: int
    refresh_token: str


def tokens_view(pair: TokenPair) -> dict[str, Any]:
    """A token pair."""
    return {
        "access_token": pair.access_token,
        "token_type": "bearer",
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh_token,
    }


class PlaceOut(Resource):
    """A workspace in a profile."""

    id: str
    name: str
    role: RoleName


class ProfileOut(UserOut):
    """A person and where they belong."""

    workspaces: list[PlaceOut]


def profile_view(profile: Profile) -> dict[str, Any]:
    """A person and where they belong."""

    def place(of: WorkspaceOfUser) -> dict[str, Any]:
        return {"id": str(of.workspace.id), "name": of.workspace.name, "role": of.role.label}

    return {**user_view(profile.user), "workspaces": [place(of) for of in profile.workspaces]}


class CollectionOut(Resource):
    """A group of documents."""

    id: str
    name: str
    description: str
    visibility: Visibility
    document_count: int
    version: int
    created_at: str


def collection_view(shown: CollectionWithCount) -> dict[str, Any]:
    """A collection."""
    collection = shown.collection
    return {
        "id": str(collection.id),
        "name": collection.name,
        "description": collection.description,
        "visibility": collection.visibility.value,
        "document_count": shown.document_count,
        "version": collection.version,
        "created_at": time_view(collection.created_at),
    }


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
    """A page; offsets count from the start of its own text."""

    page: int
    width: float
    height: float
    text: str
    spans: list[SpanOut]


def page_view(shown: PageText) -> dict[str, Any]:
    """A page with the places of its lines."""
    page = shown.page
    return {
        "page": page.number,
        "width": page.width,
        "height": page.height,
        "text": shown.text,
        "spans": [
            {"char_from": span.char_from, "char_to": span.char_to, "bbox": list(span.bbox)} for span in page.spans
        ],
    }


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
    """What was found, best first; `mode` says which halves of the index answered."""

    results: list[ResultOut]
    mode: SearchMode
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
        "took_ms": round(took_ms, 1),
    }


class ConversationOut(Resource):
    """A person's talk with the model."""

    id: str
    title: str | None
    collection_ids: list[str]
    instructions: str | None
    model: str | None
    version: int
    created_at: str
    updated_at: str


def conversation_view(conversation: Conversation) -> dict[str, Any]:
    """A conversation."""
    return {
        "id": str(conversation.id),
        "title": conversation.title,
        "collection_ids": [str(key) for key in conversation.collection_ids],
        "instructions": conversation.instructions,
        "model": conversation.model,
        "version": conversation.version,
        "created_at": time_view(conversation.created_at),
        "updated_at": time_view(conversation.updated_at),
    }


class CitationOut(Resource):
    """A claim and the words that back it: `content[from:to]` in code points, `quote` verbatim from the chunk."""

    index: int
    from_: int = Field(alias="from")
    to: int
    chunk_id: str
    document_id: str
    document_title: str
    page_from: int | None
    page_to: int | None
    quote: str
    bboxes: list[BoxesOut]


class UsageOut(Resource):
    """Tokens as the model's provider counted them."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int


class AnswerErrorOut(Resource):
    """Why an answer failed."""

    code: str
    message: str
    retryable: bool


class MessageOut(Resource):
    """A question or an answer; built by `application.views.message_view`."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: Literal["user", "assistant"]
    status: Literal["streaming", "complete", "cancelled", "interrupted", "failed"]
    content: str
    citations: list[CitationOut]
    stop_reason: str | None
    model: str | None
    usage: UsageOut
    error: AnswerErrorOut | None
    created_at: str
    completed_at: str | None


class EngineOut(Resource):
    """One engine."""

    state: Literal["up", "down"]
    needed: bool


class ReadyOut(Resource):
    """Each engine's state by name."""

    ready: bool
    engines: dict[str, EngineOut]


class HealthOut(Resource):
    """The process lives."""

    status: Literal["ok"]


class WorkspacesOut(Resource):
    """A page of workspaces."""

    items: list[WorkspaceOut]
    next_cursor: str | None


class CollectionsOut(Resource):
    """A page of collections."""

    items: list[CollectionOut]
    next_cursor: str | None


class DocumentsOut(Resource):
    """A page of documents."""

    items: list[DocumentOut]
    next_cursor: str | None


class ChunksOut(Resource):
    """A page of passages."""

    items: list[ChunkOut]
    next_cursor: str | None


class ConversationsOut(Resource):
    """A page of conversations."""

    items: list[ConversationOut]
    next_cursor: str | None


class MessagesOut(Resource):
    """A page of messages."""

    items: list[MessageOut]
    next_cursor: str | None


class FieldErrorOut(BaseModel):
    """One thing that is not as it should be; `pointer` is a JSON Pointer (RFC 6901)."""

    pointer: str
    code: str
    message: str


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457); `code` does not change and is for programs."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[FieldErrorOut] | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:readingroom:problem:not_found",
                    "title": "Not Found",
                    "status": 404,
                    "detail": "There is no such document.",
                    "code": "not_found",
                    "request_id": "01936a3c5c1e7f7c9d0b",
                }
            ]
        }
    )

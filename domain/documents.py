"""A document: its states, the transitions between them, and what they record.

::

    queued ──▶ processing(parsing ▸ chunking ▸ embedding ▸ indexing) ──▶ ready
      ▲            │                                                      │
      └── retry ◀──┴──▶ failed(code, message) ◀── a new revision that fails keeps the old one live

`live_revision` is what readers see; `revision` is what is being worked on. They differ while a new
revision is ingested, so the old one stays searchable until the new one is ready.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from attrs import evolve, field, frozen

from domain.errors import Conflict, InvalidInput
from domain.events import (
    DocumentDeleted,
    DocumentMoved,
    DocumentReindexRequested,
    DocumentUploaded,
    Event,
    RevisionReplaced,
)
from domain.ids import CollectionId, DocumentId, UserId, WorkspaceId
from domain.lines import is_legible, is_storable, one_line
from domain.times import aware
from domain.titles import spoken_title

MAX_TITLE_LENGTH: Final = 500
MAX_FILENAME_LENGTH: Final = 255
MAX_TAGS: Final = 50
MAX_TAG_LENGTH: Final = 100
MAX_METADATA_KEYS: Final = 50
MAX_METADATA_TEXT: Final = 1000

MetadataValue = str | int | float | bool


class DocumentStatus(StrEnum):
    """Where a document stands."""

    QUEUED = "queued"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class Stage(StrEnum):
    """What is being done while processing."""

    PARSING = "parsing"
    CHUNKING = "chunking"
    EMBEDDING = "embedding"
    INDEXING = "indexing"


class FailureCode(StrEnum):
    """Why a document failed, in words that stay."""

    ENCRYPTED_FILE = "encrypted_file"
    CORRUPT_FILE = "corrupt_file"
    NO_TEXT_FOUND = "no_text_found"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    PARSE_TIMEOUT = "parse_timeout"
    PARSE_MEMORY = "parse_memory"
    PARSER_CRASHED = "parser_crashed"
    PARSE_FAILED = "parse_failed"
    TOO_MANY_PAGES = "too_many_pages"
    TOO_MUCH_TEXT = "too_much_text"
    EMBEDDING_FAILED = "embedding_failed"
    INDEXING_FAILED = "indexing_failed"


@frozen(kw_only=True)
class Failure:
    """What went wrong, for a person."""

    code: FailureCode
    message: str


def clean_filename(name: str | None) -> str:
    """The last component, without control characters, cut to 255 keeping the extension; never empty.

    Names come from clients: directories, `..`, newlines and 300 characters are all ordinary.
    """
    last = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    cleaned = one_line(last).strip(". ")
    if not cleaned:
        return "unnamed"
    if len(cleaned) <= MAX_FILENAME_LENGTH:
        return cleaned
    stem, dot, extension = cleaned.rpartition(".")
    if not dot or len(extension) > 16:  # noqa: PLR2004 longer is not an extension
        return cleaned[:MAX_FILENAME_LENGTH]
    return f"{stem[: MAX_FILENAME_LENGTH - len(extension) - 1]}.{extension}"


def check_title(title: str) -> str:
    """A trimmed title of 1 to 500 characters; else `InvalidInput`."""
    cleaned = one_line(title)
    if not cleaned or len(cleaned) > MAX_TITLE_LENGTH:
        raise InvalidInput(f"A title needs 1 to {MAX_TITLE_LENGTH} characters.", pointer="/title")
    return cleaned


def check_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Trimmed, without repeats, in the order given; else `InvalidInput`."""
    cleaned = tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    if len(cleaned) > MAX_TAGS or any(len(tag) > MAX_TAG_LENGTH or not is_legible(tag) for tag in cleaned):
        raise InvalidInput(
            f"At most {MAX_TAGS} tags of at most {MAX_TAG_LENGTH} printable characters each.", pointer="/tags"
        )
    return cleaned


def check_metadata(metadata: Mapping[str, object]) -> dict[str, MetadataValue]:
    """A flat object of strings, finite numbers and booleans; else `InvalidInput`."""
    if len(metadata) > MAX_METADATA_KEYS:
        raise InvalidInput(f"At most {MAX_METADATA_KEYS} metadata keys.", pointer="/metadata")
    checked: dict[str, MetadataValue] = {}
    for key, value in metadata.items():
        fits = (
            (isinstance(value, str) and len(value) <= MAX_METADATA_TEXT and is_storable(value))
            or isinstance(value, bool)
            or (isinstance(value, int) and abs(value) < 2**53)
            or (isinstance(value, float) and value == value and abs(value) != float("inf"))  # noqa: PLR0124 NaN
        )
        if not key or len(key) > MAX_TAG_LENGTH or not is_legible(key):
            raise InvalidInput(f"Metadata keys have 1 to {MAX_TAG_LENGTH} printable characters.", pointer="/metadata")
        if not fits:
            raise InvalidInput(
                f"Metadata is a flat object of numbers, booleans and strings (at most {MAX_METADATA_TEXT} characters).",
                pointer=f"/metadata/{key.replace('~', '~0').replace('/', '~1')}",  # RFC 6901
            )
        checked[key] = value  # type: ignore[assignment]
    return checked


@frozen(kw_only=True)
class Document:
    """One uploaded file and what became of it.

    The methods return the next state; `events` holds what happened since it was loaded.
    """

    id: DocumentId
    workspace_id: WorkspaceId
    collection_id: CollectionId
    title: str
    filename: str
    media_type: str  # decided from the content, e.g. "application/pdf"
    size: int  # bytes
    sha256: str  # hex, of the original bytes
    file_key: str  # where the FileStore keeps the original of `revision`
    status: DocumentStatus = DocumentStatus.QUEUED
    stage: Stage | None = None
    progress: float = 0.0  # 0..1 over all stages
    failure: Failure | None = None
    page_count: int | None = None
    chunk_count: int = 0
    language: str | None = None  # ISO 639-1
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, MetadataValue] = field(factory=dict)
    revision: int = 1
    live_revision: int | None = None
    version: int = 1
    created_by: UserId
    created_at: datetime = field(validator=aware)
    updated_at: datetime = field(validator=aware)
    deleted_at: datetime | None = None
    events: tuple[Event, ...] = field(default=(), eq=False, repr=False)

    @classmethod
    def uploaded(  # noqa: PLR0913 one argument per column
        cls,
        *,
        id: DocumentId,  # noqa: A002
        workspace_id: WorkspaceId,
        collection_id: CollectionId,
        title: str | None,
        filename: str,
        media_type: str,
        size: int,
        sha256: str,
        file_key: str,
        tags: tuple[str, ...],
        metadata: Mapping[str, object],
        by: UserId,
        now: datetime,
    ) -> "Document":
        """A new document, queued for ingestion. The title defaults to the file's name."""
        return cls(
            id=id,
            workspace_id=workspace_id,
            collection_id=collection_id,
            title=check_title(title) if title is not None else check_title(filename),
            filename=filename,
            media_type=media_type,
            size=size,
            sha256=sha256,
            file_key=file_key,
            tags=check_tags(tags),
            metadata=check_metadata(metadata),
            created_by=by,
            created_at=now,
            updated_at=now,
            events=(DocumentUploaded(workspace_id=workspace_id, document_id=id, revision=1, size=size),),
        )

    @property
    def is_deleted(self) -> bool:
        """Gone for every reader."""
        return self.deleted_at is not None

    @property
    def spoken_title(self) -> str:
        """The title as context for passages; empty where it tells nothing."""
        return spoken_title(self.title, self.filename)

    @property
    def is_searchable(self) -> bool:
        """Whether some revision of it may show in a search."""
        return self.live_revision is not None and not self.is_deleted

    def revised(
        self, *, filename: str, media_type: str, size: int, sha256: str, file_key: str, now: datetime
    ) -> "Document":
        """New bytes: the next revision, queued; the live one stays."""
        revision = self.revision + 1
        return self._next(
            now,
            DocumentUploaded(workspace_id=self.workspace_id, document_id=self.id, revision=revision, size=size),
            filename=filename,
            media_type=media_type,
            size=size,
            sha256=sha256,
            file_key=file_key,
            revision=revision,
            status=DocumentStatus.QUEUED,
            stage=None,
            progress=0.0,
            failure=None,
        )

    def reindexed(self, now: datetime) -> "Document":
        """The same bytes once more, as a new revision, so that the live one stays until it is ready."""
        revision = self.revision + 1
        return self._next(
            now,
            DocumentReindexRequested(
                workspace_id=self.workspace_id, document_id=self.id, revision=revision, size=self.size
            ),
            revision=revision,
            status=DocumentStatus.QUEUED,
            stage=None,
            progress=0.0,
            failure=None,
        )

    def started(self, stage: Stage, progress: float, now: datetime) -> "Document":
        """Work is at `stage`. Progress never falls within one attempt; a deleted one cannot start."""
        if self.is_deleted:
            raise Conflict("The document was deleted.", code="document_deleted")
        return evolve(
            self,
            status=DocumentStatus.PROCESSING,
            stage=stage,
            progress=min(max(progress, 0.0), 1.0),
            failure=None,
            updated_at=now,
        )

    def completed(self, *, page_count: int | None, chunk_count: int, language: str | None, now: datetime) -> "Document":
        """The revision worked on goes live."""
        replaced = (
            ()
            if self.revision == 1  # a younger one replaces files at least, even where nothing went live before
            else (RevisionReplaced(workspace_id=self.workspace_id, document_id=self.id, live_revision=self.revision),)
        )
        return self._next(
            now,
            *replaced,
            status=DocumentStatus.READY,
            stage=None,
            progress=1.0,
            failure=None,
            page_count=page_count,
            chunk_count=chunk_count,
            language=language,
            live_revision=self.revision,
        )

    def failed(self, failure: Failure, now: datetime) -> "Document":
        """Given up, with the reason. A live older revision stays live."""
        return self._next(now, status=DocumentStatus.FAILED, stage=None, failure=failure)

    def changed(
        self,
        *,
        title: str | None = None,
        tags: tuple[str, ...] | None = None,
        metadata: Mapping[str, object] | None = None,
        collection_id: CollectionId | None = None,
        now: datetime,
    ) -> "Document":
        """Other words, tags or another collection; what the index knows of it follows."""
        return self._next(
            now,
            DocumentMoved(
                workspace_id=self.workspace_id,
                document_id=self.id,
                collection_id=collection_id or self.collection_id,
            ),
            title=self.title if title is None else check_title(title),
            tags=self.tags if tags is None else check_tags(tags),
            metadata=self.metadata if metadata is None else check_metadata(metadata),
            collection_id=collection_id or self.collection_id,
        )

    def deleted(self, now: datetime) -> "Document":
        """A tombstone; deleting twice keeps the first."""
        if self.is_deleted:
            return self
        return self._next(now, DocumentDeleted(workspace_id=self.workspace_id, document_id=self.id), deleted_at=now)

    def _next(self, now: datetime, *events: Event, **changes: object) -> "Document":
        return evolve(
            self,
            version=self.version + 1,
            updated_at=now,
            events=(*self.events, *events),
            **changes,  # type: ignore[arg-type]
        )

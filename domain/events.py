"""What happened to an aggregate, in the past tense.

Aggregates record events; the unit of work asks `application.reactions` for the jobs that follow and
writes them in the same transaction. There is no bus: an event that nobody reacts to is dropped.
"""

from attrs import field, frozen

from domain.ids import CollectionId, DocumentId, UserId, WorkspaceId


@frozen(kw_only=True)
class Event:
    """Base of all events."""


@frozen(kw_only=True)
class DocumentUploaded(Event):
    """New bytes to ingest: a new document, or a new revision of one."""

    workspace_id: WorkspaceId
    document_id: DocumentId
    revision: int
    size: int


@frozen(kw_only=True)
class DocumentReindexRequested(Event):
    """The same bytes are to be read again."""

    workspace_id: WorkspaceId
    document_id: DocumentId
    revision: int
    size: int


@frozen(kw_only=True)
class RevisionReplaced(Event):
    """A new revision went live; what the old ones left in the index is to be removed."""

    workspace_id: WorkspaceId
    document_id: DocumentId
    live_revision: int


@frozen(kw_only=True)
class DocumentDeleted(Event):
    """A tombstone was set; vectors, chunks and files are to be erased."""

    workspace_id: WorkspaceId
    document_id: DocumentId


@frozen(kw_only=True)
class DocumentMoved(Event):
    """Collection, tags or metadata changed; the index's payload is to follow."""

    workspace_id: WorkspaceId
    document_id: DocumentId
    collection_id: CollectionId


@frozen(kw_only=True)
class UserRegistered(Event):
    """A user came to be."""

    user_id: UserId
    workspace_id: WorkspaceId = field()

"""What is stored, in the words of the domain.

`get` returns None for a missing row; `add` raises `application.errors.AlreadyExists` where something is unique;
`save` raises `application.errors.ConcurrentChange` when the stored version is not the one that was loaded
(aggregates with a `version`: stored must be the version loaded in this unit of work, or, where it was loaded in
another, ``entity.version - 1``; a state whose version was not raised is saved where it was loaded).
Lists are keyset pages: `after` is the key of the last item seen, rows inserted meanwhile never shift a page; a key
that is not there any more ends the list.
What is handed out are values: changing one changes nothing until it is saved.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from attrs import frozen

from domain.access import Role
from domain.conversations import Conversation, Message
from domain.documents import Document, DocumentStatus, Stage
from domain.erasure import Erasure
from domain.feedback import Feedback
from domain.ids import (
    ChunkId,
    CollectionId,
    ConversationId,
    DocumentId,
    MessageId,
    SessionId,
    UserId,
    WorkspaceId,
)
from domain.passages import Chunk, DocumentRef, Page
from domain.users import LoginSession, User
from domain.workspaces import Collection, Membership, Workspace


class Users(Protocol):
    """People."""

    async def get(self, user_id: UserId) -> User | None:
        """By id."""
        ...

    async def lock(self, user_id: UserId) -> User | None:
        """By id, as it stands now; nobody else changes it until the transaction ends."""
        ...

    async def by_email(self, email: str) -> User | None:
        """By normalised e-mail."""
        ...

    async def add(self, user: User) -> None:
        """A new one; `AlreadyExists` (constraint ``uq_users_email``) when the e-mail is taken."""
        ...

    async def save(self, user: User) -> None:
        """The present state of an existing one."""
        ...

    async def page(self, *, limit: int, after: UserId | None = None) -> list[User]:
        """Oldest first."""
        ...


class LoginSessions(Protocol):
    """Login sessions with their refresh tokens."""

    async def get(self, session_id: SessionId) -> LoginSession | None:
        """By id, revoked and expired ones too."""
        ...

    async def is_live(self, session_id: SessionId, user_id: UserId, *, now: datetime) -> bool:
        """Whether it is this user's, neither revoked nor expired, and the user not disabled."""
        ...

    async def by_token(self, token_hash: bytes) -> LoginSession | None:
        """The session whose present or spent token this is, locked until the transaction ends."""
        ...

    async def add(self, session: LoginSession) -> None:
        """A new one."""
        ...

    async def save(self, session: LoginSession) -> None:
        """The present state, spent tokens included."""
        ...

    async def of_user(self, user_id: UserId, *, now: datetime) -> list[LoginSession]:
        """Live ones, newest first."""
        ...

    async def revoke(
        self,
        user_id: UserId,
        *,
        now: datetime,
        only: SessionId | None = None,
        but: SessionId | None = None,
    ) -> list[SessionId]:
        """End live ones of the user: all, `only` one, or all `but` one. Which ended; a foreign id ends nothing."""
        ...


@frozen(kw_only=True)
class WorkspaceOfUser:
    """A workspace as one of its members sees it."""

    workspace: Workspace
    role: Role


@frozen(kw_only=True)
class OwnedWorkspace:
    """A workspace and its longest-standing owner."""

    workspace: Workspace
    owner: UserId


@frozen(kw_only=True)
class Member:
    """A member as the others see them."""

    user_id: UserId
    name: str
    email: str
    role: Role
    joined_at: datetime


class Workspaces(Protocol):
    """Workspaces and memberships."""

    async def get(self, workspace_id: WorkspaceId) -> Workspace | None:
        """By id."""
        ...

    async def add(self, workspace: Workspace) -> None:
        """A new one."""
        ...

    async def save(self, workspace: Workspace) -> None:
        """The present state."""
        ...

    async def of_user(self, user_id: UserId) -> list[WorkspaceOfUser]:
        """All they belong to, oldest membership first."""
        ...

    async def owned(self, *, limit: int = 1000) -> list[OwnedWorkspace]:
        """Every workspace with an active owner, oldest first."""
        ...

    async def all_ids(self) -> list[WorkspaceId]:
        """Every workspace."""
        ...

    async def membership(self, workspace_id: WorkspaceId, user_id: UserId) -> Membership | None:
        """Their place in it."""
        ...

    async def add_member(self, membership: Membership) -> None:
        """A new place; `AlreadyExists` when they have one."""
        ...

    async def lock(self, workspace_id: WorkspaceId) -> Workspace | None:
        """By id, as it stands now; nobody else who locks it goes on before the transaction ends."""
        ...

    async def named(self, name: str) -> list[Workspace]:
        """Those with this exact name or id that have members, oldest first."""
        ...

    async def members(self, workspace_id: WorkspaceId, *, limit: int, after: UserId | None = None) -> list[Member]:
        """In the order in which they joined."""
        ...

    async def member(self, workspace_id: WorkspaceId, user_id: UserId) -> Member | None:
        """One of them."""
        ...

    async def owners(self, workspace_id: WorkspaceId) -> list[UserId]:
        """Owners who are not disabled."""
        ...

    async def save_member(self, membership: Membership) -> None:
        """Another role for somebody who belongs to it."""
        ...

    async def remove_member(self, workspace_id: WorkspaceId, user_id: UserId) -> None:
        """With their places in collections, their keys and the invitations they made. Nobody there: no error."""
        ...

    async def remove_members(self, workspace_id: WorkspaceId) -> list[UserId]:
        """All of them, in the same way; who they were."""
        ...

    async def forget(self, workspace_id: WorkspaceId) -> bool:
        """Remove a workspace that was deleted, with every row of it. False when there is none such."""
        ...


class Collections(Protocol):
    """Collections of a workspace."""

    async def get(self, collection_id: CollectionId) -> Collection | None:
        """By id."""
        ...

    async def by_name(self, workspace_id: WorkspaceId, name: str) -> Collection | None:
        """By exact name."""
        ...

    async def default(self, workspace_id: WorkspaceId) -> Collection:
        """The collection that every workspace has; `LookupError` where the workspace is missing."""
        ...

    async def add(self, collection: Collection) -> None:
        """A new one; `AlreadyExists` (constraint ``uq_collections_workspace_id_name``) when the name is taken."""
        ...

    async def save(self, collection: Collection) -> None:
        """The present state."""
        ...

    async def remove(self, collection_id: CollectionId) -> None:
        """Remove the row; `ConcurrentChange` while a document, deleted or not, is in it."""
        ...

    async def page(
        self, workspace_id: WorkspaceId, *, limit: int, after: CollectionId | None = None
    ) -> list[Collection]:
        """Oldest first; who may see which is the caller's to decide."""
        ...

    async def readable_by(self, workspace_id: WorkspaceId, user_id: UserId, role: Role) -> frozenset[CollectionId]:
        """All open ones, and the restricted ones that list the user; every one for admins and owners."""
        ...

    async def let_read(self, collection: Collection, user_id: UserId) -> None:
        """List a member for it; `ConcurrentChange` when they are none any more. Twice is once."""
        ...

    async def stop_reading(self, collection: Collection, user_id: UserId) -> None:
        """Take them off the list; nobody there is no error."""
        ...

    async def document_counts(self, collection_ids: Sequence[CollectionId]) -> dict[CollectionId, int]:
        """Documents that are not deleted; collections without any are 0."""
        ...


class DocumentSort(StrEnum):
    """Orders of a list of documents."""

    NEWEST = "-created_at"
    OLDEST = "created_at"
    TITLE = "title"


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
    live_chunks: int  # rows of the live revision
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
    """Chunks and pages."""

    async def replace(
        self, document_id: DocumentId, revision: int, chunks: Sequence[Chunk], pages: Sequence[tuple[Page, str]]
    ) -> None:
        """Store a revision's chunks, and its pages each with its text, in place of what was there for it.

        `ConcurrentChange` when the document's row is gone.
        """
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

    async def read_page(self, document_id: DocumentId, revision: int, number: int) -> tuple[Page, str] | None:
        """One page with its text."""
        ...

    async def of_documents(
        self, document_ids: Sequence[DocumentId], *, limit: int, after: ChunkId | None = None
    ) -> list[Chunk]:
        """Chunks of all their revisions, by id, from the one after `after`."""
        ...

    async def remove_all(self, document_ids: Sequence[DocumentId]) -> None:
        """Remove all chunks and pages of these documents."""
        ...

    async def remove(self, document_id: DocumentId, *, before_revision: int | None = None) -> int:
        """Remove chunks and pages: all, or only those of older revisions. How many chunks went."""
        ...


class Conversations(Protocol):
    """Conversations."""

    async def get(self, conversation_id: ConversationId) -> Conversation | None:
        """By id."""
        ...

    async def add(self, conversation: Conversation) -> None:
        """A new one."""
        ...

    async def save(self, conversation: Conversation) -> None:
        """The present state."""
        ...

    async def of_user(
        self,
        workspace_id: WorkspaceId,
        user_id: UserId,
        *,
        limit: int,
        after: ConversationId | None = None,
        text: str | None = None,
    ) -> list[Conversation]:
        """Newest first; with `text` those whose title or one of whose messages holds it, in any case."""
        ...

    async def remove(self, conversation_id: ConversationId) -> None:
        """Gone with its messages, their runs and what people thought of them; nothing where it is missing."""
        ...


class Messages(Protocol):
    """Messages of conversations."""

    async def get(self, message_id: MessageId) -> Message | None:
        """By id."""
        ...

    async def add(self, message: Message) -> None:
        """A new one."""
        ...

    async def save(self, message: Message) -> bool:
        """The present state. False, and nothing changes, when the stored one is already over or missing."""
        ...

    async def rate(self, feedback: Feedback) -> None:
        """What somebody thinks of a message, in place of what they thought before."""
        ...

    async def feedback(self, message_id: MessageId) -> list[Feedback]:
        """What people think of it, oldest first."""
        ...

    async def page(
        self, conversation_id: ConversationId, *, limit: int, after: MessageId | None = None
    ) -> list[Message]:
        """Oldest first."""
        ...

    async def latest(self, conversation_id: ConversationId) -> Message | None:
        """The youngest message, or None in an empty conversation."""
        ...

    async def thread(self, message_id: MessageId, *, limit: int) -> list[Message]:
        """The message and its ancestors, oldest first, the last `limit` of them."""
        ...

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
from typing import Protocol

from attrs import frozen

from domain.access import Role
from domain.conversations import Conversation, Message
from domain.feedback import Feedback
from domain.ids import (
    CollectionId,
    ConversationId,
    MessageId,
    SessionId,
    UserId,
    WorkspaceId,
)
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
        """By id, revoked and expired ones too; without its spent tokens."""
        ...

    async def is_live(self, session_id: SessionId, user_id: UserId, *, now: datetime) -> bool:
        """Whether it is this user's, neither revoked nor expired, and the user not disabled."""
        ...

    async def by_token(self, token_hash: bytes) -> LoginSession | None:
        """The session whose present or spent token this is, locked until the transaction ends.

        Of its spent tokens it carries this one, if it is one.
        """
        ...

    async def add(self, session: LoginSession) -> None:
        """A new one."""
        ...

    async def save(self, session: LoginSession) -> None:
        """The present state; spent tokens that it carries are added to those known."""
        ...

    async def of_user(self, user_id: UserId, *, now: datetime) -> list[LoginSession]:
        """Live ones, newest first, without their spent tokens."""
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

    async def forget(self, *, before: datetime, keep: int) -> None:
        """Drop sessions that were over before then, and spent tokens that were spent before then.

        Of the spent tokens of one session the youngest `keep` stay at most.
        """
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

    async def add(self, *messages: Message) -> None:
        """New ones; each may follow the one before."""
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
        """The message and its ancestors, oldest first, the last `limit` of them; nothing for an unknown one."""
        ...

    async def latest_thread(self, conversation_id: ConversationId, *, limit: int) -> list[Message]:
        """The thread of the youngest message; nothing in an empty conversation."""
        ...

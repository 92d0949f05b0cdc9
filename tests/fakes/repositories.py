"""The repositories' promises on rows in memory."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from attrs import evolve

from application.errors import ConcurrentChange
from application.ports.repositories import Member, OwnedWorkspace, WorkspaceOfUser
from domain.access import Role
from domain.conversations import Conversation, Message
from domain.documents import Document, DocumentStatus
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
from domain.workspaces import Collection, Membership, Visibility, Workspace
from tests.fakes.database import (
    API_KEYS,
    COLLECTIONS,
    CONVERSATIONS,
    DOCUMENTS,
    FEEDBACK,
    INVITATIONS,
    MEMBERSHIPS,
    MESSAGES,
    READERS,
    RUNS,
    SESSIONS,
    USERS,
    WORKSPACES,
    FakeTransaction,
    Reader,
    unique_values,
)

Row = TypeVar("Row")
UNFINISHED = (DocumentStatus.QUEUED, DocumentStatus.PROCESSING)


def fold(text: str) -> str:
    """Case and compatibility forms make no difference to order and search."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def title_key(document: Document) -> str:
    """Titles are sorted without accents too."""
    letters = unicodedata.normalize("NFKD", fold(document.title))
    return "".join(letter for letter in letters if not "\u0300" <= letter <= "\u036f")


def keyset(
    rows: Iterable[Row],
    *,
    key: Callable[[Any], Any],
    last_seen: Any,
    after: UUID | None,
    limit: int,
    newest_first: bool = False,
) -> list[Row]:
    """Rows beyond the one last seen, by (key, id); nothing is beyond a row that is gone."""

    def position(row: Any) -> Any:
        return (key(row), row.id)

    ordered = sorted(rows, key=position, reverse=newest_first)
    if after is not None:
        if last_seen is None:
            return []
        border = position(last_seen)
        ordered = [row for row in ordered if (position(row) < border if newest_first else position(row) > border)]
    return ordered[:limit]


def created_at(row: Any) -> datetime:
    """What most lists are sorted by."""
    moment: datetime = row.created_at
    return moment


class FakeRepository:
    """What the repositories in memory share."""

    def __init__(self, transaction: FakeTransaction) -> None:
        self._rows = transaction

    def _by_id(self, table: str, identifier: UUID | None) -> Any:
        return self._rows.first(table, lambda row: bool(row.id == identifier))

    def _remove(self, table: str, identifier: UUID) -> bool:
        present = self._by_id(table, identifier) is not None
        if present:
            self._rows.delete(table, identifier)
        return present

    def _page(self, table: str, rows: Iterable[Row], *, after: UUID | None, limit: int, **order: Any) -> list[Row]:
        options = {"key": created_at, **order}
        return keyset(rows, last_seen=self._by_id(table, after), after=after, limit=limit, **options)


class FakeUsers(FakeRepository):
    async def get(self, user_id: UserId) -> User | None:
        found: User | None = self._by_id(USERS, user_id)
        return found

    async def lock(self, user_id: UserId) -> User | None:
        await self._rows.lock(USERS, user_id)
        return await self.get(user_id)

    async def by_email(self, email: str) -> User | None:
        found: User | None = self._rows.first(USERS, lambda user: bool(user.email == email))
        return found

    async def add(self, user: User) -> None:
        await self._rows.add(USERS, user.id, user, **unique_values(USERS, user))

    async def save(self, user: User) -> None:
        await self._rows.lock(USERS, user.id)
        if self._by_id(USERS, user.id) is not None:
            self._rows.put(USERS, user.id, user)

    async def page(self, *, limit: int, after: UserId | None = None) -> list[User]:
        return self._page(USERS, self._rows.rows(USERS), after=after, limit=limit)


class FakeLoginSessions(FakeRepository):
    async def get(self, session_id: SessionId) -> LoginSession | None:
        found: LoginSession | None = self._by_id(SESSIONS, session_id)
        return evolve(found, spent={}) if found else None

    async def is_live(self, session_id: SessionId, user_id: UserId, *, now: datetime) -> bool:
        session, user = await self.get(session_id), self._by_id(USERS, user_id)
        return bool(session and user and user.is_active and session.user_id == user.id and session.is_live(now))

    async def by_token(self, token_hash: bytes) -> LoginSession | None:
        found = self._rows.first(SESSIONS, lambda one: one.token_hash == token_hash or token_hash in one.spent)
        if found is None:
            return None
        await self._rows.lock(SESSIONS, found.id)
        whole: LoginSession | None = self._by_id(SESSIONS, found.id)
        if whole is None:
            return None
        return evolve(whole, spent={one: at for one, at in whole.spent.items() if one == token_hash})

    async def add(self, session: LoginSession) -> None:
        await self._rows.add(SESSIONS, session.id, session)

    async def save(self, session: LoginSession) -> None:
        await self._rows.lock(SESSIONS, session.id)
        known: LoginSession | None = self._by_id(SESSIONS, session.id)
        if known is not None:
            self._rows.put(SESSIONS, session.id, evolve(session, spent={**session.spent, **known.spent}))

    async def of_user(self, user_id: UserId, *, now: datetime) -> list[LoginSession]:
        mine = [one for one in self._rows.rows(SESSIONS) if one.user_id == user_id and one.is_live(now)]
        live = [evolve(one, spent={}) for one in mine]
        return sorted(live, key=lambda one: (one.created_at, one.id), reverse=True)

    async def revoke(
        self,
        user_id: UserId,
        *,
        now: datetime,
        only: SessionId | None = None,
        but: SessionId | None = None,
    ) -> list[SessionId]:
        ended = []
        for one in await self.of_user(user_id, now=now):
            if only in {None, one.id} and but != one.id:
                await self._rows.lock(SESSIONS, one.id)
                present: LoginSession | None = self._by_id(SESSIONS, one.id)
                if present is not None and present.is_live(now):
                    self._rows.put(SESSIONS, one.id, present.revoked(now))
                    ended.append(one.id)
        return ended

    async def forget(self, *, before: datetime, keep: int) -> None:
        for one in self._rows.rows(SESSIONS):
            if one.expires_at < before or (one.revoked_at and one.revoked_at < before):
                self._rows.delete(SESSIONS, one.id)
                continue
            youngest = sorted(one.spent.items(), key=lambda spent: spent[1], reverse=True)[:keep]
            self._rows.put(SESSIONS, one.id, evolve(one, spent={h: at for h, at in youngest if at >= before}))


class FakeWorkspaces(FakeRepository):
    async def get(self, workspace_id: WorkspaceId) -> Workspace | None:
        found: Workspace | None = self._by_id(WORKSPACES, workspace_id)
        return self._rows.saw(found)

    async def add(self, workspace: Workspace) -> None:
        await self._rows.add(WORKSPACES, workspace.id, workspace)
        self._rows.saw(workspace)

    async def save(self, workspace: Workspace) -> None:
        await self._rows.save(WORKSPACES, workspace)

    async def of_user(self, user_id: UserId) -> list[WorkspaceOfUser]:
        places = [place for place in self._rows.rows(MEMBERSHIPS) if place.user_id == user_id]
        return [
            WorkspaceOfUser(workspace=self._rows.saw(self._by_id(WORKSPACES, place.workspace_id)), role=place.role)
            for place in sorted(places, key=lambda place: (place.joined_at, place.workspace_id))
        ]

    async def owned(self, *, limit: int = 1000) -> list[OwnedWorkspace]:
        active = {user.id for user in self._rows.rows(USERS) if user.is_active}
        found = []
        for workspace in sorted(self._rows.rows(WORKSPACES), key=lambda one: (one.created_at, one.id)):
            owners = [
                place
                for place in self._rows.rows(MEMBERSHIPS)
                if place.workspace_id == workspace.id and place.role is Role.OWNER and place.user_id in active
            ]
            if owners:
                first = min(owners, key=lambda place: (place.joined_at, place.user_id))
                found.append(OwnedWorkspace(workspace=self._rows.saw(workspace), owner=first.user_id))
        return found[:limit]

    async def all_ids(self) -> list[WorkspaceId]:
        return sorted(one.id for one in self._rows.rows(WORKSPACES))

    async def membership(self, workspace_id: WorkspaceId, user_id: UserId) -> Membership | None:
        found: Membership | None = self._rows.first(
            MEMBERSHIPS, lambda place: place.workspace_id == workspace_id and place.user_id == user_id
        )
        return found

    async def add_member(self, membership: Membership) -> None:
        await self._rows.add(MEMBERSHIPS, (membership.workspace_id, membership.user_id), membership)

    async def lock(self, workspace_id: WorkspaceId) -> Workspace | None:
        await self._rows.lock(WORKSPACES, workspace_id)
        return await self.get(workspace_id)

    async def named(self, name: str) -> list[Workspace]:
        peopled = {place.workspace_id for place in self._rows.rows(MEMBERSHIPS)}
        fitting = [
            one
            for one in self._rows.rows(WORKSPACES)
            if one.id in peopled and name.lower() in {one.name.lower(), str(one.id)}
        ]
        exact = [one for one in fitting if name == one.name or name.lower() == str(one.id)]
        return [self._rows.saw(one) for one in sorted(exact, key=lambda one: (one.created_at, one.id))]

    async def members(self, workspace_id: WorkspaceId, *, limit: int, after: UserId | None = None) -> list[Member]:
        places = [one for one in self._rows.rows(MEMBERSHIPS) if one.workspace_id == workspace_id]
        ordered = sorted(places, key=lambda one: (one.joined_at, one.user_id))
        if after is not None:
            last = await self.membership(workspace_id, after)
            border = (last.joined_at, last.user_id) if last else None
            ordered = [one for one in ordered if border is not None and (one.joined_at, one.user_id) > border]
        return [self._member(one) for one in ordered[:limit]]

    async def member(self, workspace_id: WorkspaceId, user_id: UserId) -> Member | None:
        place = await self.membership(workspace_id, user_id)
        return self._member(place) if place else None

    def _member(self, place: Membership) -> Member:
        user = self._by_id(USERS, place.user_id)
        return Member(user_id=user.id, name=user.name, email=user.email, role=place.role, joined_at=place.joined_at)

    async def owners(self, workspace_id: WorkspaceId) -> list[UserId]:
        active = {user.id for user in self._rows.rows(USERS) if user.is_active}
        places = [one for one in self._rows.rows(MEMBERSHIPS) if one.workspace_id == workspace_id]
        return [one.user_id for one in places if one.role is Role.OWNER and one.user_id in active]

    async def save_member(self, membership: Membership) -> None:
        await self._rows.lock(MEMBERSHIPS, (membership.workspace_id, membership.user_id))
        present = await self.membership(membership.workspace_id, membership.user_id)
        if present is not None:
            key = (membership.workspace_id, membership.user_id)
            self._rows.put(MEMBERSHIPS, key, evolve(present, role=membership.role))

    async def remove_member(self, workspace_id: WorkspaceId, user_id: UserId) -> None:
        await self._rows.lock(MEMBERSHIPS, (workspace_id, user_id))
        self._rows.delete(MEMBERSHIPS, (workspace_id, user_id))
        for table, holder in ((READERS, "user_id"), (API_KEYS, "user_id"), (INVITATIONS, "invited_by")):
            for row in list(self._rows.rows(table)):
                if row.workspace_id == workspace_id and getattr(row, holder) == user_id:
                    key = (row.collection_id, row.user_id) if table == READERS else row.id
                    self._rows.delete(table, key)

    async def remove_members(self, workspace_id: WorkspaceId) -> list[UserId]:
        gone = [one.user_id for one in self._rows.rows(MEMBERSHIPS) if one.workspace_id == workspace_id]
        for user_id in gone:
            await self.remove_member(workspace_id, user_id)
        return gone

    async def forget(self, workspace_id: WorkspaceId) -> bool:
        workspace = await self.lock(workspace_id)
        if workspace is None or workspace.deleted_at is None:
            return False
        self._rows.wipe(workspace_id)
        return True


class FakeCollections(FakeRepository):
    async def get(self, collection_id: CollectionId) -> Collection | None:
        found: Collection | None = self._by_id(COLLECTIONS, collection_id)
        return self._rows.saw(found)

    async def by_name(self, workspace_id: WorkspaceId, name: str) -> Collection | None:
        found: Collection | None = self._rows.first(
            COLLECTIONS, lambda one: one.workspace_id == workspace_id and one.name == name
        )
        return self._rows.saw(found)

    async def default(self, workspace_id: WorkspaceId) -> Collection:
        found: Collection | None = self._rows.first(
            COLLECTIONS, lambda one: one.workspace_id == workspace_id and one.is_default
        )
        if found is None:
            raise LookupError(f"workspace {workspace_id} has no default collection")
        return self._rows.saw(found)

    async def add(self, collection: Collection) -> None:
        await self._rows.add(COLLECTIONS, collection.id, collection, **unique_values(COLLECTIONS, collection))
        self._rows.saw(collection)

    async def save(self, collection: Collection) -> None:
        await self._rows.save(COLLECTIONS, collection, **unique_values(COLLECTIONS, collection))

    async def remove(self, collection_id: CollectionId) -> None:
        await self._rows.lock(COLLECTIONS, collection_id)
        if any(one.collection_id == collection_id for one in self._rows.rows(DOCUMENTS)):
            raise ConcurrentChange("a document is in it")
        self._rows.delete(COLLECTIONS, collection_id)

    async def page(
        self, workspace_id: WorkspaceId, *, limit: int, after: CollectionId | None = None
    ) -> list[Collection]:
        rows = [one for one in self._rows.rows(COLLECTIONS) if one.workspace_id == workspace_id]
        return [self._rows.saw(one) for one in self._page(COLLECTIONS, rows, after=after, limit=limit)]

    async def readable_by(self, workspace_id: WorkspaceId, user_id: UserId, role: Role) -> frozenset[CollectionId]:
        listed = {reader.collection_id for reader in self._rows.rows(READERS) if reader.user_id == user_id}
        return frozenset(
            one.id
            for one in self._rows.rows(COLLECTIONS)
            if one.workspace_id == workspace_id
            and (role >= Role.ADMIN or one.visibility is Visibility.WORKSPACE or one.id in listed)
        )

    async def let_read(self, collection: Collection, user_id: UserId) -> None:
        place = self._rows.first(
            MEMBERSHIPS, lambda one: (one.workspace_id, one.user_id) == (collection.workspace_id, user_id)
        )
        if place is None:
            raise ConcurrentChange("no member any more")
        self._rows.put(READERS, (collection.id, user_id), Reader(collection.workspace_id, collection.id, user_id))

    async def stop_reading(self, collection: Collection, user_id: UserId) -> None:
        self._rows.delete(READERS, (collection.id, user_id))

    async def document_counts(self, collection_ids: Sequence[CollectionId]) -> dict[CollectionId, int]:
        present = [one.collection_id for one in self._rows.rows(DOCUMENTS) if not one.is_deleted]
        return {collection_id: present.count(collection_id) for collection_id in collection_ids}


class FakeConversations(FakeRepository):
    async def get(self, conversation_id: ConversationId) -> Conversation | None:
        found: Conversation | None = self._by_id(CONVERSATIONS, conversation_id)
        return self._rows.saw(found)

    async def add(self, conversation: Conversation) -> None:
        await self._rows.add(CONVERSATIONS, conversation.id, conversation)
        self._rows.saw(conversation)

    async def save(self, conversation: Conversation) -> None:
        await self._rows.save(CONVERSATIONS, conversation)

    async def remove(self, conversation_id: ConversationId) -> None:
        self._rows.delete(CONVERSATIONS, conversation_id)
        for message in list(self._rows.rows(MESSAGES)):
            if message.conversation_id == conversation_id:
                self._rows.delete(MESSAGES, message.id)
                self._rows.delete(RUNS, message.id)

    async def of_user(
        self,
        workspace_id: WorkspaceId,
        user_id: UserId,
        *,
        limit: int,
        after: ConversationId | None = None,
        text: str | None = None,
    ) -> list[Conversation]:
        said: dict[UUID, str] = {}
        for message in self._rows.rows(MESSAGES):
            said[message.conversation_id] = said.get(message.conversation_id, "") + "\n" + message.content
        rows = [
            one
            for one in self._rows.rows(CONVERSATIONS)
            if one.workspace_id == workspace_id
            and one.created_by == user_id
            and (text or "").lower() in f"{one.title or ''}\n{said.get(one.id, '')}".lower()
        ]
        page = self._page(CONVERSATIONS, rows, after=after, limit=limit, newest_first=True)
        return [self._rows.saw(one) for one in page]


class FakeMessages(FakeRepository):
    async def get(self, message_id: MessageId) -> Message | None:
        found: Message | None = self._by_id(MESSAGES, message_id)
        return found

    async def add(self, *messages: Message) -> None:
        for message in messages:
            await self._rows.add(MESSAGES, message.id, message)

    async def save(self, message: Message) -> bool:
        await self._rows.lock(MESSAGES, message.id)
        stored: Message | None = self._by_id(MESSAGES, message.id)
        if stored is None or stored.is_over:
            return False
        self._rows.put(MESSAGES, message.id, message)
        return True

    async def rate(self, feedback: Feedback) -> None:
        self._rows.put(FEEDBACK, (feedback.message_id, feedback.user_id), feedback)

    async def feedback(self, message_id: MessageId) -> list[Feedback]:
        rows = [one for one in self._rows.rows(FEEDBACK) if one.message_id == message_id]
        return sorted(rows, key=lambda one: (one.given_at, one.user_id))

    async def page(
        self, conversation_id: ConversationId, *, limit: int, after: MessageId | None = None
    ) -> list[Message]:
        rows = [one for one in self._rows.rows(MESSAGES) if one.conversation_id == conversation_id]
        return self._page(MESSAGES, rows, after=after, limit=limit)

    async def latest(self, conversation_id: ConversationId) -> Message | None:
        rows = [one for one in self._rows.rows(MESSAGES) if one.conversation_id == conversation_id]
        return max(rows, key=lambda one: (one.created_at, one.id), default=None)

    async def thread(self, message_id: MessageId, *, limit: int) -> list[Message]:
        branch: list[Message] = []
        message: Message | None = self._by_id(MESSAGES, message_id)
        while message is not None and len(branch) < limit:
            branch.insert(0, message)
            message = self._by_id(MESSAGES, message.parent_id)
        return branch

    async def latest_thread(self, conversation_id: ConversationId, *, limit: int) -> list[Message]:
        youngest = await self.latest(conversation_id)
        return [] if youngest is None else await self.thread(youngest.id, limit=limit)

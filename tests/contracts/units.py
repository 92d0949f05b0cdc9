"""What the contract suites of units of work share: the two implementations, and values to fill them with."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
import uuid_utils.compat
from attrs import frozen

from application.ports.jobs import AnyJob
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Role
from domain.conversations import Conversation, Message, MessageStatus, Speaker
from domain.documents import Document
from domain.ids import (
    CollectionId,
    ConversationId,
    DocumentId,
    MessageId,
    SessionId,
    UserId,
    WorkspaceId,
    chunk_id,
)
from domain.passages import Chunk, Page, PageBoxes, TextSpan
from domain.users import LoginSession, User
from domain.workspaces import DEFAULT_COLLECTION, Collection, Membership, Visibility, Workspace

NOW = datetime(2026, 5, 4, 12, 30, 15, 123456, tzinfo=UTC)


def new_id() -> UUID:
    return uuid_utils.compat.uuid7()


@frozen(kw_only=True)
class Units:
    """Units of work, and the two things that no port offers: who reads a collection, and which jobs wait."""

    begin: UnitOfWorkFactory
    let_read: Callable[[Collection, UserId], Awaitable[None]]
    waiting_jobs: Callable[[], Awaitable[list[AnyJob]]]


@frozen(kw_only=True)
class Team:
    """A workspace with an owner and its default collection, committed."""

    owner: User
    workspace: Workspace
    collection: Collection

    @property
    def id(self) -> WorkspaceId:
        return self.workspace.id


async def found_team(units: Units, name: str = "Team", *, now: datetime = NOW) -> Team:
    owner = make_user()
    workspace = Workspace(id=WorkspaceId(new_id()), name=name, created_at=now)
    collection = make_collection(workspace.id, DEFAULT_COLLECTION, is_default=True)
    async with units.begin(None) as work:
        await work.users.add(owner)
        await work.workspaces.add(workspace)
        await work.workspaces.add_member(make_membership(workspace.id, owner.id, Role.OWNER))
        await work.collections.add(collection)
        await work.commit()
    return Team(owner=owner, workspace=workspace, collection=collection)


def make_user(email: str | None = None, **changes: Any) -> User:
    identifier = UserId(new_id())
    values: dict[str, Any] = {
        "id": identifier,
        "email": email or f"{identifier}@example.org",
        "name": "Ada",
        "password_hash": "$argon2id$…",
        "created_at": NOW,
    }
    return User(**values | changes)


def make_session(user_id: UserId, token: bytes = b"token", **changes: Any) -> LoginSession:
    values: dict[str, Any] = {
        "id": SessionId(new_id()),
        "user_id": user_id,
        "token_hash": sha256(token).digest(),
        "device": "a browser",
        "created_at": NOW,
        "last_used_at": NOW,
        "expires_at": NOW + timedelta(days=30),
    }
    return LoginSession(**values | changes)


def make_membership(workspace_id: WorkspaceId, user_id: UserId, role: Role = Role.VIEWER) -> Membership:
    return Membership(workspace_id=workspace_id, user_id=user_id, role=role, joined_at=NOW)


def make_collection(workspace_id: WorkspaceId, name: str = "Papers", **changes: Any) -> Collection:
    values: dict[str, Any] = {
        "id": CollectionId(new_id()),
        "workspace_id": workspace_id,
        "name": name,
        "visibility": Visibility.WORKSPACE,
        "created_at": NOW,
    }
    return Collection(**values | changes)


def make_document(team: Team, content: str | None = None, **changes: Any) -> Document:
    """Queued as by an upload, so that it carries its event; `content` decides its hash."""
    identifier = DocumentId(new_id())
    made_from: dict[str, Any] = {
        "id": identifier,
        "workspace_id": team.id,
        "collection_id": team.collection.id,
        "title": None,
        "filename": "paper.pdf",
        "media_type": "application/pdf",
        "size": 1000,
        "sha256": sha256((content or str(identifier)).encode()).hexdigest(),
        "file_key": f"{team.id}/{identifier}/1",
        "tags": (),
        "metadata": {},
        "by": team.owner.id,
        "now": NOW,
    }
    return Document.uploaded(**made_from | changes)


def make_chunk(document_id: DocumentId, ordinal: int, *, revision: int = 1, text: str | None = None) -> Chunk:
    words = text or f"Passage {ordinal}: the quick brown fox."
    return Chunk(
        id=chunk_id(document_id, revision, ordinal),
        document_id=document_id,
        revision=revision,
        ordinal=ordinal,
        text=words,
        char_from=ordinal * 100,
        char_to=ordinal * 100 + len(words),
        page_from=1,
        page_to=2,
        heading_path=("Chapter", "Section"),
        token_count=8,
        boxes=(PageBoxes(page=1, rects=((72.0, 90.5, 300.25, 102.0), (72.0, 104.0, 120.0, 116.0))),),
        page_starts=((2, 7),),
    )


def make_page(number: int = 1) -> tuple[Page, str]:
    text = f"Text of page {number}"
    page = Page(
        number=number,
        char_from=0,
        char_to=len(text),
        width=595.0,
        height=842.0,
        spans=(TextSpan(char_from=0, char_to=4, bbox=(72.0, 90.0, 100.5, 102.0)),),
    )
    return page, text


def make_conversation(team: Team, **changes: Any) -> Conversation:
    values: dict[str, Any] = {
        "id": ConversationId(new_id()),
        "workspace_id": team.id,
        "created_by": team.owner.id,
        "collection_ids": (team.collection.id,),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Conversation(**values | changes)


def make_message(conversation: Conversation, **changes: Any) -> Message:
    values: dict[str, Any] = {
        "id": MessageId(new_id()),
        "workspace_id": conversation.workspace_id,
        "conversation_id": conversation.id,
        "parent_id": None,
        "role": Speaker.USER,
        "status": MessageStatus.COMPLETE,
        "content": "Why?",
        "created_by": conversation.created_by,
        "created_at": NOW,
    }
    return Message(**values | changes)


async def execute(url: str, statement: str, *values: object) -> list[asyncpg.Record]:
    """A statement as the owner of the tables, past everything."""
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close()


async def keep_document(units: Units, team: Team, chunks: int = 3) -> Document:
    """A live document with chunks and two pages, committed."""
    document = make_document(team)
    live = document.completed(page_count=2, chunk_count=chunks, language="en", now=NOW)
    async with units.begin(team.id) as work:
        await work.documents.add(document)
        await work.passages.replace(
            document.id, 1, [make_chunk(document.id, n) for n in range(chunks)], [make_page(1), make_page(2)]
        )
        await work.documents.save(live)
        await work.commit()
    return live

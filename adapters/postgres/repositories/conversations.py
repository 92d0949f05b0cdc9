"""Conversations and their messages."""

import json
from typing import Any, Final
from uuid import UUID

from attrs import asdict
from sqlalchemy import ColumnElement, Integer, Select, bindparam, delete, exists, insert, literal, select, update
from sqlalchemy.dialects import postgresql

from adapters.postgres.answer_tables import conversations, messages
from adapters.postgres.answer_tables import feedback as feedback_table
from adapters.postgres.mapping import (
    conversation_from,
    conversation_values,
    message_from,
    message_values,
)
from adapters.postgres.prepared import Prepared
from adapters.postgres.session import Session, after_key
from domain.conversations import Conversation, Message, MessageStatus
from domain.feedback import Feedback, Rating
from domain.ids import ConversationId, MessageId, UserId, WorkspaceId

_CONVERSATION: Final = Prepared.of(select(conversations).where(conversations.c.id == bindparam("id")))
_MESSAGE: Final = Prepared.of(select(messages).where(messages.c.id == bindparam("id")))
_ADD_MESSAGE: Final = Prepared.of(insert(messages), columns=messages.c.keys())
_JSON: Final = frozenset({"citations", "usage", "error"})  # columns that the driver takes as text


def _youngest(conversation_id: Any, *columns: ColumnElement[Any]) -> Select[Any]:
    return (
        select(*columns)
        .where(messages.c.conversation_id == conversation_id)
        .order_by(messages.c.created_at.desc(), messages.c.id.desc())
        .limit(1)
    )


def _thread(begins: ColumnElement[bool]) -> Prepared:
    """The message where it begins and its ancestors, each with its distance, `limit` of them."""
    branch = (
        select(messages.c.id, messages.c.parent_id, literal(1).label("distance"))
        .where(begins)
        .cte("branch", recursive=True)
    )
    branch = branch.union_all(
        select(messages.c.id, messages.c.parent_id, branch.c.distance + 1)
        .join(branch, messages.c.id == branch.c.parent_id)
        .where(branch.c.distance < bindparam("limit", type_=Integer))
    )
    return Prepared.of(select(messages, branch.c.distance).join(branch, messages.c.id == branch.c.id))


_THREAD: Final = _thread(messages.c.id == bindparam("id"))
_LATEST_THREAD: Final = _thread(
    messages.c.id == _youngest(bindparam("id"), messages.c.id).correlate(None).scalar_subquery()
)


class PostgresConversations:
    """Keeps the promises of `application.ports.repositories.Conversations`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, conversation_id: ConversationId) -> Conversation | None:
        """By id."""
        row = await self._session.first(_CONVERSATION, id=conversation_id)
        return self._seen(conversation_from(row)) if row else None

    async def add(self, conversation: Conversation) -> None:
        """A new one."""
        await self._session.execute(insert(conversations).values(conversation_values(conversation)))
        self._seen(conversation)

    async def save(self, conversation: Conversation) -> None:
        """The present state."""
        await self._session.save(conversations, conversation_values(conversation))

    async def of_user(
        self,
        workspace_id: WorkspaceId,
        user_id: UserId,
        *,
        limit: int,
        after: ConversationId | None = None,
        text: str | None = None,
    ) -> list[Conversation]:
        """Newest first."""
        keys = (conversations.c.created_at, conversations.c.id)
        said = messages.c.conversation_id == conversations.c.id
        rows = await self._session.all(
            select(conversations)
            .where(
                conversations.c.workspace_id == workspace_id,
                conversations.c.created_by == user_id,
                *(
                    [
                        conversations.c.title.icontains(text, autoescape=True)
                        | exists().where(said, messages.c.content.icontains(text, autoescape=True))
                    ]
                    if text
                    else []
                ),
                *after_key(conversations, keys, after, descending=True),
            )
            .order_by(*(key.desc() for key in keys))
            .limit(limit)
        )
        return [self._seen(conversation_from(row)) for row in rows]

    async def remove(self, conversation_id: ConversationId) -> None:
        """Gone with its messages."""
        await self._session.execute(delete(conversations).where(conversations.c.id == conversation_id))

    def _seen(self, conversation: Conversation) -> Conversation:
        self._session.saw(conversation.id, conversation.version)
        return conversation


class PostgresMessages:
    """Keeps the promises of `application.ports.repositories.Messages`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, message_id: MessageId) -> Message | None:
        """By id."""
        row = await self._session.first(_MESSAGE, id=message_id)
        return message_from(row) if row else None

    async def add(self, *messages_: Message) -> None:
        """New ones."""
        for message in messages_:
            values = {
                name: json.dumps(value) if name in _JSON and value is not None else value
                for name, value in message_values(message).items()
            }
            await self._session.rows(_ADD_MESSAGE, **values)

    async def save(self, message: Message) -> bool:
        """The present state, unless the stored one is already over."""
        saved = await self._session.execute(
            update(messages)
            .where(messages.c.id == message.id, messages.c.status == MessageStatus.STREAMING.value)
            .values(message_values(message))
        )
        return bool(saved.rowcount)

    async def rate(self, feedback: Feedback) -> None:
        """What somebody thinks of a message."""
        values = {**asdict(feedback), "rating": feedback.rating.value}
        given = postgresql.insert(feedback_table).values(values)
        await self._session.execute(
            given.on_conflict_do_update(
                index_elements=["message_id", "user_id"],
                set_={name: given.excluded[name] for name in ("rating", "comment", "given_at")},
            )
        )

    async def feedback(self, message_id: MessageId) -> list[Feedback]:
        """What people think of it, oldest first."""
        rows = await self._session.all(
            select(feedback_table)
            .where(feedback_table.c.message_id == message_id)
            .order_by(feedback_table.c.given_at, feedback_table.c.user_id)
        )
        return [Feedback(**{**row, "rating": Rating(row["rating"])}) for row in rows]

    async def page(
        self, conversation_id: ConversationId, *, limit: int, after: MessageId | None = None
    ) -> list[Message]:
        """Oldest first."""
        keys = (messages.c.created_at, messages.c.id)
        rows = await self._session.all(
            select(messages)
            .where(messages.c.conversation_id == conversation_id, *after_key(messages, keys, after))
            .order_by(*keys)
            .limit(limit)
        )
        return [message_from(row) for row in rows]

    async def latest(self, conversation_id: ConversationId) -> Message | None:
        """The youngest message, or None in an empty conversation."""
        row = await self._session.one(_youngest(conversation_id, *messages.c))
        return message_from(row) if row else None

    async def thread(self, message_id: MessageId, *, limit: int) -> list[Message]:
        """The message and its ancestors, oldest first, the last `limit` of them."""
        return await self._told(_THREAD, message_id, limit)

    async def latest_thread(self, conversation_id: ConversationId, *, limit: int) -> list[Message]:
        """The thread of the youngest message."""
        return await self._told(_LATEST_THREAD, conversation_id, limit)

    async def _told(self, thread: Prepared, identifier: UUID, limit: int) -> list[Message]:
        rows = await self._session.rows(thread, id=identifier, limit=limit)
        return [message_from(row) for row in sorted(rows, key=lambda row: -row["distance"])]

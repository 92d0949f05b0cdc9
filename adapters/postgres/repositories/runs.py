"""Records of answers being written."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, bindparam, func, insert, select, update

from adapters.postgres.answer_tables import answer_runs, messages
from adapters.postgres.mapping import citation_values, message_from
from adapters.postgres.prepared import Prepared
from adapters.postgres.session import Session, one_of
from application.ports.runs import ActiveRuns, Draft, Outline
from domain.conversations import Message, MessageStatus
from domain.ids import ConversationId, MessageId, UserId, WorkspaceId

_NOW = func.clock_timestamp()
_WRITING = answer_runs.c.ended_at.is_(None)
_OPEN: Final = Prepared.of(
    insert(answer_runs).values(
        message_id=bindparam("message_id"),
        workspace_id=bindparam("workspace_id"),
        user_id=bindparam("user_id"),
        cancel_requested=False,
        beat_at=_NOW,
    )
)
_ACTIVE: Final = Prepared.of(
    select(
        func.count().label("of_workspace"),
        func.count().filter(answer_runs.c.user_id == bindparam("user_id")).label("of_user"),
    ).where(answer_runs.c.workspace_id == bindparam("workspace_id"), _WRITING)
)
_KEEP_TEXT = (
    update(messages)
    .where(messages.c.id == bindparam("of"), messages.c.status == MessageStatus.STREAMING.value)
    .values(content=bindparam("text"), citations=bindparam("cited"))
)
_KEEP_OUTLINE = (
    update(answer_runs).where(answer_runs.c.message_id == bindparam("of"), _WRITING).values(outline=bindparam("told"))
)


class PostgresRunRecords:
    """Keeps the promises of `application.ports.runs.RunRecords`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def open(self, message: Message, user_id: UserId) -> None:
        """The run of a new answer, alive from now."""
        await self._session.rows(_OPEN, message_id=message.id, workspace_id=message.workspace_id, user_id=user_id)

    async def beat(self, message_ids: Sequence[MessageId]) -> dict[MessageId, bool]:
        """Those of them that are not ended, alive from now; for each whether somebody asked to stop."""
        rows = await self._session.all(
            update(answer_runs)
            .where(one_of(answer_runs.c.message_id, message_ids), _WRITING)
            .values(beat_at=_NOW)
            .returning(answer_runs.c.message_id, answer_runs.c.cancel_requested)
        )
        return {row["message_id"]: row["cancel_requested"] for row in rows}

    async def request_cancel(self, message_id: MessageId) -> None:
        """Ask the writer, wherever it runs, to stop."""
        await self._session.execute(
            update(answer_runs).where(answer_runs.c.message_id == message_id).values(cancel_requested=True)
        )

    async def note(self, message_id: MessageId, outline: Outline) -> None:
        """What the stream is made of so far."""
        await self._session.execute(
            update(answer_runs).where(answer_runs.c.message_id == message_id).values(outline=list(outline))
        )

    async def keep(self, drafts: Sequence[Draft]) -> None:
        """Checkpoints: text, citations and outlines of answers so far; those that are over stay as they are."""
        if not drafts:
            return
        in_order = sorted(drafts, key=lambda draft: draft.message_id)  # rows are always locked in this order
        texts = [
            {"of": draft.message_id, "text": draft.content, "cited": [citation_values(one) for one in draft.citations]}
            for draft in in_order
        ]
        outlines = [{"of": draft.message_id, "told": list(draft.outline)} for draft in in_order]
        await self._session.execute(_KEEP_TEXT, texts)
        await self._session.execute(_KEEP_OUTLINE, outlines)

    async def outline(self, message_id: MessageId) -> Outline | None:
        """What was noted last."""
        row = await self._session.one(select(answer_runs.c.outline).where(answer_runs.c.message_id == message_id))
        return row["outline"] if row else None

    async def end(self, message_id: MessageId) -> None:
        """Not being written any more."""
        await self._session.execute(
            update(answer_runs).where(answer_runs.c.message_id == message_id, _WRITING).values(ended_at=_NOW)
        )

    async def silent(self, *, since: timedelta, limit: int) -> list[Message]:
        """Answers whose writers have not beaten for so long, longest first."""
        rows = await self._session.all(
            select(messages)
            .join(answer_runs, answer_runs.c.message_id == messages.c.id)
            .where(_WRITING, _silent(since))
            .order_by(answer_runs.c.beat_at)
            .limit(limit)
        )
        return [message_from(row) for row in rows]

    async def is_silent(self, message_id: MessageId, *, since: timedelta) -> bool:
        """Whether it is, still; the record is locked."""
        row = await self._session.one(
            select(answer_runs.c.message_id)
            .where(answer_runs.c.message_id == message_id, _WRITING, _silent(since))
            .with_for_update()
        )
        return row is not None

    async def written_in(self, conversation_id: ConversationId) -> list[Message]:
        """The conversation's answers that are being written now."""
        rows = await self._session.all(
            select(messages)
            .join(answer_runs, answer_runs.c.message_id == messages.c.id)
            .where(_WRITING, messages.c.conversation_id == conversation_id)
            .order_by(messages.c.created_at, messages.c.id)
        )
        return [message_from(row) for row in rows]

    async def active(self, workspace_id: WorkspaceId, user_id: UserId) -> ActiveRuns:
        """How many are being written now."""
        row = await self._session.first(_ACTIVE, workspace_id=workspace_id, user_id=user_id)
        return ActiveRuns(**row) if row else ActiveRuns(of_workspace=0, of_user=0)


def _silent(since: timedelta) -> ColumnElement[bool]:
    return answer_runs.c.beat_at <= _NOW - since

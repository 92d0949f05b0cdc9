"""Records of answers being written, as rows in memory."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from application.ports.runs import ActiveRuns, Draft, Outline
from domain.conversations import Message
from domain.ids import ConversationId, MessageId, UserId, WorkspaceId
from tests.fakes.database import MESSAGES, RUNS, FakeTransaction


@frozen
class StoredRun:
    """A record as a row; the outline is kept as JSON."""

    id: MessageId
    workspace_id: WorkspaceId
    user_id: UserId
    beat_at: datetime
    outline: str | None = None
    scope: str | None = None
    cancel_requested: bool = False
    is_ended: bool = False


class FakeRunRecords:
    def __init__(self, transaction: FakeTransaction) -> None:
        self._rows = transaction

    async def open(self, message: Message, user_id: UserId, *, scope: Mapping[str, Any] | None = None) -> None:
        row = StoredRun(
            id=message.id,
            workspace_id=message.workspace_id,
            user_id=user_id,
            beat_at=_now(),
            scope=None if scope is None else json.dumps(scope),
        )
        await self._rows.add(RUNS, message.id, row)

    async def scope(self, message_id: MessageId) -> Mapping[str, Any] | None:
        row = self._get(message_id)
        if row is None or row.scope is None:
            return None
        kept: dict[str, Any] = json.loads(row.scope)
        return kept

    async def beat(self, message_ids: Sequence[MessageId]) -> dict[MessageId, bool]:
        told: dict[MessageId, bool] = {}
        for message_id in message_ids:
            await self._rows.lock(RUNS, message_id)
            row = self._get(message_id)
            if row is not None and not row.is_ended:
                self._rows.put(RUNS, message_id, evolve(row, beat_at=_now()))
                told[message_id] = row.cancel_requested
        return told

    async def request_cancel(self, message_id: MessageId) -> None:
        await self._change(message_id, cancel_requested=True)

    async def note(self, message_id: MessageId, outline: Outline) -> None:
        await self._change(message_id, outline=json.dumps(list(outline)))

    async def keep(self, drafts: Sequence[Draft]) -> None:
        for draft in drafts:
            await self._rows.lock(MESSAGES, draft.message_id)
            stored: Message | None = self._rows.first(MESSAGES, lambda row, key=draft.message_id: bool(row.id == key))
            if stored is not None and not stored.is_over:
                self._rows.put(MESSAGES, stored.id, stored.grown(draft.content, draft.citations))
        for draft in drafts:
            row = self._get(draft.message_id)
            if row is not None and not row.is_ended:
                await self._change(draft.message_id, outline=json.dumps(list(draft.outline)))

    async def outline(self, message_id: MessageId) -> Outline | None:
        row = self._get(message_id)
        found: Outline | None = json.loads(row.outline) if row is not None and row.outline else None
        return found

    async def end(self, message_id: MessageId) -> None:
        await self._change(message_id, is_ended=True)

    async def silent(self, *, since: timedelta, limit: int) -> list[Message]:
        rows = [row for row in self._rows.rows(RUNS) if not row.is_ended and row.beat_at <= _now() - since]
        rows.sort(key=lambda row: row.beat_at)
        messages = {message.id: message for message in self._rows.rows(MESSAGES)}
        return [messages[row.id] for row in rows[:limit]]

    async def is_silent(self, message_id: MessageId, *, since: timedelta) -> bool:
        await self._rows.lock(RUNS, message_id)
        row = self._get(message_id)
        return row is not None and not row.is_ended and row.beat_at <= _now() - since

    async def written_in(self, conversation_id: ConversationId) -> list[Message]:
        writing = {row.id for row in self._rows.rows(RUNS) if not row.is_ended}
        found = [one for one in self._rows.rows(MESSAGES) if one.conversation_id == conversation_id]
        return sorted((one for one in found if one.id in writing), key=lambda one: (one.created_at, one.id))

    async def active(self, workspace_id: WorkspaceId, user_id: UserId) -> ActiveRuns:
        rows = [row for row in self._rows.rows(RUNS) if not row.is_ended and row.workspace_id == workspace_id]
        return ActiveRuns(of_workspace=len(rows), of_user=sum(row.user_id == user_id for row in rows))

    async def _change(self, message_id: MessageId, **changes: Any) -> None:
        await self._rows.lock(RUNS, message_id)
        row = self._get(message_id)
        if row is not None:
            self._rows.put(RUNS, message_id, evolve(row, **changes))

    def _get(self, message_id: MessageId) -> StoredRun | None:
        found: StoredRun | None = self._rows.first(RUNS, lambda row: bool(row.id == message_id))
        return found


def _now() -> datetime:
    return datetime.now(UTC)

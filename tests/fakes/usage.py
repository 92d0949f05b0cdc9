"""What answers used, as rows in memory."""

from datetime import date

from attrs import evolve

from application.ports.usage import TokensUsed
from domain.conversations import Usage
from domain.ids import UserId, WorkspaceId
from domain.usage import UsageEntry, total_tokens
from tests.fakes.database import USAGE, FakeTransaction


class FakeUsageRecords:
    def __init__(self, transaction: FakeTransaction) -> None:
        self._rows = transaction

    async def add(self, workspace_id: WorkspaceId, user_id: UserId, model: str, day: date, used: Usage) -> None:
        key = (workspace_id, day, user_id, model)
        await self._rows.lock(USAGE, key)
        row = self._rows.first(USAGE, lambda one: (one.workspace_id, one.day, one.user_id, one.model) == key)
        if row is None:
            row = UsageEntry(workspace_id=workspace_id, user_id=user_id, model=model, day=day, answers=0, usage=Usage())
        self._rows.put(USAGE, key, evolve(row, answers=row.answers + 1, usage=row.usage + used))

    async def since(self, workspace_id: WorkspaceId, user_id: UserId, day: date) -> TokensUsed:
        rows = [one for one in self._rows.rows(USAGE) if one.workspace_id == workspace_id and one.day >= day]
        return TokensUsed(
            by_workspace=sum(total_tokens(one.usage) for one in rows),
            by_user=sum(total_tokens(one.usage) for one in rows if one.user_id == user_id),
        )

    async def between(self, workspace_id: WorkspaceId, first: date, last: date) -> list[UsageEntry]:
        rows = [one for one in self._rows.rows(USAGE) if one.workspace_id == workspace_id and first <= one.day <= last]
        return sorted(rows, key=lambda one: (one.day, one.model, one.user_id))

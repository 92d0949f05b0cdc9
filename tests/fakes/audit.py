"""The audit log in memory."""

from datetime import UTC, datetime
from itertools import count
from typing import Final

from attrs import define, evolve

from domain.audit import AuditEntry
from domain.ids import WorkspaceId
from tests.fakes.database import MEMBERSHIPS, FakeTransaction

AUDIT: Final = "audit_log"
_numbers = count(1)


@define(eq=False)
class FakeAuditLog:
    _transaction: FakeTransaction

    async def add(self, entry: AuditEntry) -> None:
        stored = evolve(entry, number=next(_numbers), at=datetime.now(UTC))
        self._transaction.put(AUDIT, stored.number, stored)

    async def page(self, workspace_id: WorkspaceId, *, limit: int, before: int | None = None) -> list[AuditEntry]:
        members = {row.user_id for row in self._transaction.rows(MEMBERSHIPS) if row.workspace_id == workspace_id}
        if self._transaction.workspace_id not in {None, workspace_id}:
            return []
        stored = self._transaction.database.table(AUDIT).values()
        found = [
            entry
            for entry in stored
            if (
                entry.workspace_id == workspace_id
                or (entry.workspace_id is None and {entry.user_id, entry.resource_id} & members)
            )
            and (before is None or entry.number < before)
        ]
        return sorted(found, key=lambda entry: -entry.number)[:limit]

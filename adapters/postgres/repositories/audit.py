"""The audit log."""

from typing import Final

from attrs import asdict, fields
from sqlalchemy import insert, or_, select

from adapters.postgres.prepared import Prepared
from adapters.postgres.request_tables import audit_log
from adapters.postgres.session import Session
from adapters.postgres.tables import memberships
from domain.audit import AuditEntry, Deed
from domain.ids import WorkspaceId

_ADD: Final = Prepared.of(
    insert(audit_log).inline(),
    [column.name for column in fields(AuditEntry) if column.name not in {"number", "at"}],
)


class PostgresAuditLog:
    """Keeps the promises of `application.ports.audit.AuditLog`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, entry: AuditEntry) -> None:
        """Append it."""
        values = asdict(entry, filter=lambda attribute, _: attribute.name not in {"number", "at"})
        await self._session.rows(_ADD, **values | {"deed": entry.deed.value})

    async def page(self, workspace_id: WorkspaceId, *, limit: int, before: int | None = None) -> list[AuditEntry]:
        """Newest first."""
        members = select(memberships.c.user_id).where(memberships.c.workspace_id == workspace_id)
        ours = or_(
            audit_log.c.workspace_id == workspace_id,
            audit_log.c.workspace_id.is_(None)
            & or_(audit_log.c.user_id.in_(members), audit_log.c.resource_id.in_(members)),
        )
        older = [] if before is None else [audit_log.c.number < before]
        rows = await self._session.all(
            select(audit_log).where(ours, *older).order_by(audit_log.c.number.desc()).limit(limit)
        )
        return [AuditEntry(**{**row, "deed": Deed(row["deed"])}) for row in rows]

"""The log of who did what."""

from typing import Protocol

from domain.audit import AuditEntry
from domain.ids import WorkspaceId


class AuditLog(Protocol):
    """Append-only; part of a unit of work, so that a deed and its entry commit together."""

    async def add(self, entry: AuditEntry) -> None:
        """Append it; number and time are given by the database."""
        ...

    async def page(self, workspace_id: WorkspaceId, *, limit: int, before: int | None = None) -> list[AuditEntry]:
        """Newest first: deeds in the workspace, and what was done by or to its present members' accounts."""
        ...

"""What answers used, by day, person and model."""

from datetime import date
from typing import Protocol

from attrs import frozen

from domain.conversations import Usage
from domain.ids import UserId, WorkspaceId
from domain.usage import UsageEntry


@frozen(kw_only=True)
class TokensUsed:
    """Tokens of all kinds."""

    by_workspace: int
    by_user: int  # in that workspace


class UsageRecords(Protocol):
    """Sums that stay when conversations are deleted; part of a unit of work."""

    async def add(self, workspace_id: WorkspaceId, user_id: UserId, model: str, day: date, used: Usage) -> None:
        """One more answer on that day."""
        ...

    async def since(self, workspace_id: WorkspaceId, user_id: UserId, day: date) -> TokensUsed:
        """On that day and later."""
        ...

    async def between(self, workspace_id: WorkspaceId, first: date, last: date) -> list[UsageEntry]:
        """Entries of these days, both included, by day, then model, then person."""
        ...

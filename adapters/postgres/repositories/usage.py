"""What answers used."""

from datetime import date
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects import postgresql

from adapters.postgres.answer_tables import usage
from adapters.postgres.session import Session
from application.ports.usage import TokensUsed
from domain.conversations import Usage
from domain.ids import UserId, WorkspaceId
from domain.usage import UsageEntry

_KINDS: Final = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class PostgresUsageRecords:
    """Keeps the promises of `application.ports.usage.UsageRecords`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, workspace_id: WorkspaceId, user_id: UserId, model: str, day: date, used: Usage) -> None:
        """One more answer on that day."""
        values: dict[str, Any] = {"answers": 1, **{kind: getattr(used, kind) for kind in _KINDS}}
        added = postgresql.insert(usage).values(
            workspace_id=workspace_id, user_id=user_id, model=model, day=day, **values
        )
        await self._session.execute(
            added.on_conflict_do_update(
                index_elements=["workspace_id", "day", "user_id", "model"],
                set_={name: usage.c[name] + added.excluded[name] for name in values},
            )
        )

    async def since(self, workspace_id: WorkspaceId, user_id: UserId, day: date) -> TokensUsed:
        """On that day and later."""
        tokens = sum((usage.c[kind] for kind in _KINDS[1:]), start=usage.c[_KINDS[0]])
        total: ColumnElement[int] = func.coalesce(func.sum(tokens), 0)
        of_user: ColumnElement[int] = func.coalesce(func.sum(tokens).filter(usage.c.user_id == user_id), 0)
        row = await self._session.one(
            select(total.label("by_workspace"), of_user.label("by_user")).where(
                usage.c.workspace_id == workspace_id, usage.c.day >= day
            )
        )
        return TokensUsed(by_workspace=int(row["by_workspace"]), by_user=int(row["by_user"])) if row else NOTHING

    async def between(self, workspace_id: WorkspaceId, first: date, last: date) -> list[UsageEntry]:
        """Entries of these days, both included."""
        rows = await self._session.all(
            select(usage)
            .where(usage.c.workspace_id == workspace_id, usage.c.day.between(first, last))
            .order_by(usage.c.day, usage.c.model, usage.c.user_id)
        )
        return [
            UsageEntry(
                workspace_id=row["workspace_id"],
                user_id=row["user_id"],
                model=row["model"],
                day=row["day"],
                answers=row["answers"],
                usage=Usage(**{kind: row[kind] for kind in _KINDS}),
            )
            for row in rows
        ]


NOTHING: Final = TokensUsed(by_workspace=0, by_user=0)

"""What the repositories of one unit of work share: a connection, and what was seen through it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from attrs import define, field
from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Delete,
    Executable,
    Insert,
    RowMapping,
    Table,
    Update,
    Uuid,
    any_,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.postgres.errors import translated
from adapters.postgres.prepared import Prepared, Values
from adapters.postgres.transaction import Transaction
from application.errors import ConcurrentChange
from domain.events import Event
from domain.ids import WorkspaceId


@define
class Session:
    """A transaction, the versions handed out, and the events collected."""

    transaction: Transaction
    workspace_id: WorkspaceId | None
    events: list[Event] = field(factory=list)
    written: set[str] = field(factory=set)  # names of tables, but for what was prepared
    _versions: dict[UUID, int] = field(factory=dict)

    async def execute(
        self, statement: Executable, parameters: Values | Sequence[Values] | None = None
    ) -> CursorResult[Any]:
        """Run it, with vendor errors translated."""
        if isinstance(statement, Insert | Update | Delete) and isinstance(statement.table, Table):
            self.written.add(statement.table.name)
        with translated():
            return await self.transaction.execute(statement, parameters)

    async def one(self, statement: Executable) -> RowMapping | None:
        """The first row, None where there is none."""
        return (await self.execute(statement)).mappings().first()

    async def all(self, statement: Executable) -> Sequence[RowMapping]:
        """Every row."""
        return (await self.execute(statement)).mappings().all()

    async def first(self, statement: Prepared, **values: Any) -> Mapping[str, Any] | None:
        """The first row of what was prepared, None where there is none."""
        rows = await self.rows(statement, **values)
        return rows[0] if rows else None

    async def rows(self, statement: Prepared, **values: Any) -> list[Mapping[str, Any]]:
        """Every row of what was prepared."""
        with translated():
            return [dict(record) for record in await self.transaction.fetch(statement, values)]

    def collect(self, events: Sequence[Event]) -> None:
        """Keep events for the commit; the next state of an aggregate carries the earlier ones along."""
        self.events += [event for event in events if not any(event is known for known in self.events)]

    def saw(self, identifier: UUID, version: int) -> None:
        """This version of an aggregate was handed out or written."""
        self._versions[identifier] = version

    async def save(self, table: Table, values: dict[str, Any]) -> None:
        """Write a versioned aggregate over the version that was loaded, else `ConcurrentChange`."""
        identifier, version = values["id"], values["version"]
        expected = self._versions.get(identifier, version - 1)
        saved = (
            version >= expected
            and (
                await self.execute(
                    update(table).where(table.c.id == identifier, table.c.version == expected).values(values)
                )
            ).rowcount
        )
        if not saved:
            raise ConcurrentChange("It was changed by somebody else meanwhile; load it again.")
        self.saw(identifier, version)


def one_of(column: ColumnElement[Any], values: Iterable[UUID]) -> ColumnElement[bool]:
    """`column = ANY(values)`: one parameter and one prepared statement for any number of ids."""
    return column == any_(literal(list(values), ARRAY(Uuid)))


def after_key(
    table: Table, keys: Sequence[ColumnElement[Any]], after: UUID | None, *, descending: bool = False
) -> list[ColumnElement[bool]]:
    """The condition of a keyset page: rows beyond the row `after` in the order of `keys`.

    Nothing is beyond a row that is not there any more.
    """
    if after is None:
        return []
    position = tuple_(*keys)
    last_seen = select(*keys).where(table.c.id == after).correlate(None).scalar_subquery()
    return [position < last_seen if descending else position > last_seen]

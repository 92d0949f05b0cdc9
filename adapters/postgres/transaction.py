"""What one unit of work asks of Postgres: alone while it only reads, else in a transaction.

SQLAlchemy writes the SQL and keeps the pool. Beginning, committing and rolling back go to asyncpg directly, each one
short round trip, and so do statements that are asked at nearly every request (`Prepared`): through all of SQLAlchemy's
layers each of them takes several times as much of the processor as the whole conversation with Postgres.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from attrs import define, field
from sqlalchemy import Connection, CursorResult, Executable, PoolProxiedConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util.concurrency import greenlet_spawn

from adapters.postgres.errors import APPLICATION_ROLE
from adapters.postgres.prepared import Prepared, Values
from adapters.postgres.readers import GONE, WORKSPACE_SETTING, Readers

_BEGIN: Final = "BEGIN"
# both until the transaction ends
_BIND: Final = (
    f"BEGIN; SELECT set_config('{WORKSPACE_SETTING}', '{{workspace_id}}', true),"
    f" set_config('role', '{APPLICATION_ROLE}', true)"
)


@define(eq=False)
class Transaction:
    """Bound to a workspace, or to none; open from its first statement to `close`, but for reads that go to `readers`.

    What was not committed by then is rolled back.
    """

    _engine: AsyncEngine
    _readers: Readers | None
    _workspace_id: UUID | None
    _is_open: bool = field(default=False, init=False)
    _pooled: PoolProxiedConnection | None = field(default=None, init=False)
    _connection: AsyncConnection | None = field(default=None, init=False)

    async def execute(
        self, statement: Executable, parameters: Values | Sequence[Values] | None = None
    ) -> CursorResult[Any]:
        """Whatever SQLAlchemy can say."""
        await self.driver()
        connection = self._connection
        if connection is None:
            made = Connection(self._engine.sync_engine, connection=self._pooled)
            connection = self._connection = AsyncConnection(self._engine, made)
        return await connection.execute(statement, parameters)

    async def fetch(self, statement: Prepared, values: Values) -> list[asyncpg.Record]:
        """The rows."""
        if statement.reads and not self._is_open and self._readers is not None:
            return await self._readers.fetch(statement, values, self._workspace_id)
        driver = await self.driver()
        return await driver.fetch(statement.sql, *statement.arguments(values))

    async def driver(self) -> "asyncpg.Connection[Any]":
        """The connection, inside the transaction."""
        pooled = self._pooled
        if pooled is None:
            pooled = await self._begin()
        driver: asyncpg.Connection[Any] = pooled.driver_connection  # type: ignore[assignment]
        if not self._is_open:  # what comes after a commit is a transaction of its own, as restricted as that was
            await driver.execute(self._opening)
            self._is_open = True
        return driver

    async def commit(self) -> None:
        """Make it last."""
        if not self._is_open:
            return
        if await (await self.driver()).execute("COMMIT") != "COMMIT":
            raise RuntimeError("a transaction in which a statement failed was to be committed")
        self._is_open = False

    async def close(self, error: BaseException | None = None) -> None:
        """Roll back and give the connection back, after an error also while the task is being cancelled."""
        if self._pooled is None:
            return
        if error is None:
            await self._close()  # a cancellation in here costs the connection; a shield costs each request a task
        else:
            await asyncio.shield(self._close())

    @property
    def _opening(self) -> str:
        # an id has no characters that mean anything in SQL
        return _BEGIN if self._workspace_id is None else _BIND.format(workspace_id=UUID(int=self._workspace_id.int))

    async def _begin(self) -> PoolProxiedConnection:
        """Connections that died in the pool are replaced."""
        old = self._engine.pool.checkedin()  # type: ignore[attr-defined]
        while True:
            pooled = self._pooled = await self._engine.raw_connection()
            driver: Any = pooled.driver_connection
            self._is_open = True  # from its first byte on there may be something to roll back
            try:
                _set_autocommit(pooled, on=True)  # SQLAlchemy begins and ends nothing by itself
                await driver.execute(self._opening)
            except BaseException as error:
                if not isinstance(error, GONE) and not driver.is_closed():
                    await self.close(error)
                    raise
                pooled.invalidate(error)
                self._pooled = None
                if old <= 0 or not isinstance(error, Exception):
                    raise
                old -= 1
            else:
                return pooled

    async def _close(self) -> None:
        pooled, self._pooled, self._connection = self._pooled, None, None
        if pooled is None or pooled.dbapi_connection is None:  # invalidated when it broke
            return
        try:
            if self._is_open:
                driver: Any = pooled.driver_connection
                await driver.execute("ROLLBACK")
            _set_autocommit(pooled, on=False)  # as other users of the engine expect it
        except BaseException as error:
            pooled.invalidate(error)
            if not isinstance(error, GONE):
                raise
        finally:
            self._is_open = False
            await greenlet_spawn(pooled.close)


def _set_autocommit(pooled: PoolProxiedConnection, *, on: bool) -> None:
    adapted: Any = pooled.dbapi_connection
    adapted.autocommit = on

"""A connection of the pool inside one transaction, which costs two short round trips.

SQLAlchemy writes the SQL and keeps the pool. Beginning, committing and rolling back go to asyncpg directly, and so do
statements that are asked at nearly every request (`Prepared`): through all of SQLAlchemy's layers each of them takes
several times as much of the processor as the whole conversation with Postgres.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg
from attrs import define, field, frozen
from sqlalchemy import Connection, CursorResult, Executable, PoolProxiedConnection
from sqlalchemy.dialects.postgresql import asyncpg as dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.util.concurrency import greenlet_spawn

Values = Mapping[str, Any]

_DIALECT: Final = dialect.dialect()  # type: ignore[no-untyped-call]
_GONE: Final = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)


@frozen
class Prepared:
    """A statement that was compiled once, with the names of its `bindparam`s in the order in which SQL counts them."""

    sql: str
    names: tuple[str, ...]
    constants: Values

    @classmethod
    def of(cls, statement: Executable, columns: Sequence[str] | None = None) -> "Prepared":
        """Of values that the driver takes as they are: texts, numbers, times, ids, bytes.

        `columns` are those that an INSERT fills.
        """
        assert isinstance(statement, ClauseElement)  # noqa: S101 all that can be compiled are
        compiled = statement.compile(dialect=_DIALECT, column_keys=columns)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 for this dialect
        return cls(str(compiled), tuple(compiled.positiontup or ()), dict(compiled.params))

    def arguments(self, values: Values) -> list[Any]:
        """By their place."""
        constants = self.constants
        return [values[name] if name in values else constants[name] for name in self.names]


@define(eq=False)
class Transaction:
    """Open from `begin` to `close`; what was not committed by then is rolled back."""

    _engine: AsyncEngine
    _opening: str
    _pooled: PoolProxiedConnection
    driver: "asyncpg.Connection[Any]"
    _is_open: bool = True
    _connection: AsyncConnection | None = field(default=None, init=False)

    @classmethod
    async def begin(cls, engine: AsyncEngine, opening: str) -> "Transaction":
        """`opening` is a text of statements that begins with BEGIN. Connections that died in the pool are replaced."""
        old = engine.pool.checkedin()  # type: ignore[attr-defined]
        while True:
            pooled = await engine.raw_connection()
            driver: Any = pooled.driver_connection
            made = cls(engine, opening, pooled, driver)
            try:
                made._set_autocommit(on=True)  # SQLAlchemy begins and ends nothing by itself
                await driver.execute(opening)
            except Exception as error:
                if not isinstance(error, _GONE) and not driver.is_closed():
                    await made.close(error)
                    raise
                pooled.invalidate(error)
                if old <= 0:
                    raise
                old -= 1
            except BaseException as error:
                await made.close(error)
                raise
            else:
                return made

    async def execute(
        self, statement: Executable, parameters: Values | Sequence[Values] | None = None
    ) -> CursorResult[Any]:
        """Whatever SQLAlchemy can say."""
        if not self._is_open:
            await self._reopen()
        connection = self._connection
        if connection is None:
            made = Connection(self._engine.sync_engine, connection=self._pooled)
            connection = self._connection = AsyncConnection(self._engine, made)
        return await connection.execute(statement, parameters)

    async def fetch(self, statement: Prepared, values: Values) -> "list[asyncpg.Record]":
        """The rows."""
        if not self._is_open:
            await self._reopen()
        return await self.driver.fetch(statement.sql, *statement.arguments(values))

    async def commit(self) -> None:
        """Make it last. What comes after this is a transaction of its own, as restricted as this one."""
        if not self._is_open:
            return
        if await self.driver.execute("COMMIT") != "COMMIT":
            raise RuntimeError("a transaction in which a statement failed was to be committed")
        self._is_open = False

    async def close(self, error: BaseException | None = None) -> None:
        """Roll back and give the connection back, after an error also while the task is being cancelled."""
        if error is None:
            await self._close()  # a cancellation in here costs the connection; a shield costs each request a task
        else:
            await asyncio.shield(self._close())

    def _set_autocommit(self, *, on: bool) -> None:
        adapted: Any = self._pooled.dbapi_connection
        adapted.autocommit = on

    async def _reopen(self) -> None:
        await self.driver.execute(self._opening)
        self._is_open = True

    async def _close(self) -> None:
        pooled = self._pooled
        if pooled.dbapi_connection is None:  # invalidated when it broke
            return
        try:
            if self._is_open:
                await self.driver.execute("ROLLBACK")
            self._set_autocommit(on=False)  # as other users of the engine expect it
        except BaseException as error:
            pooled.invalidate(error)
            if not isinstance(error, _GONE):
                raise
        finally:
            await greenlet_spawn(pooled.close)

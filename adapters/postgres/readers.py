"""Connections that only read: one statement, one round trip, and nothing of it remains.

At READ COMMITTED a statement sees the same alone as inside a transaction, so a unit of work that only reads needs no
BEGIN before it and no ROLLBACK after it. What else its transaction was for, to hold it inside its workspace, is kept by
other means: connections that read for workspaces are the application's role from the moment they are opened, and the
statement itself says which workspace it is about, by a setting that ends with it. Row-level security finds the setting
because a lateral join asks for its second half after it has the first; were it ever asked for before, there would be
no setting, and no row.
"""

import asyncio
import json
from collections import deque
from functools import cache
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg
from attrs import define, field

from adapters.postgres.engine import CONNECT_TIMEOUT, EngineOptions, connect
from adapters.postgres.errors import APPLICATION_ROLE
from adapters.postgres.prepared import Prepared, Values

WORKSPACE_SETTING: Final = "app.workspace_id"
OF_WORKSPACES: Final = 2  # connections: each is busy for a round trip only
OF_ALL: Final = 1
GONE: Final = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError)

_READ_ONLY: Final = {"default_transaction_read_only": "on"}

Driver: TypeAlias = "asyncpg.Connection[Any]"


@define(eq=False)
class _Line:
    """A few connections and whoever waits for one. Opened when they are needed, replaced when they have died."""

    url: str
    options: EngineOptions
    settings: dict[str, str]
    most: int
    _idle: list[Driver] = field(factory=list, init=False)
    _waiting: "deque[asyncio.Future[Driver | None]]" = field(factory=deque, init=False)
    _open: int = field(default=0, init=False)

    async def fetch(self, sql: str, arguments: list[Any]) -> list[asyncpg.Record]:
        """The rows; asked once more for each connection that had died unnoticed, which a read may be."""
        while True:
            is_new, driver = await self._take()
            try:
                rows: list[asyncpg.Record] = await driver.fetch(sql, *arguments)
            except BaseException as error:
                has_died = isinstance(error, GONE) or driver.is_closed()
                if isinstance(error, asyncpg.PostgresError) and not has_died:
                    self._give(driver)
                    raise
                self._drop(driver)  # also when nobody waits for the answer any more: it may still come
                if is_new or not has_died or not isinstance(error, Exception):
                    raise
            else:
                self._give(driver)
                return rows

    async def close(self) -> None:
        """Let go of those that are idle."""
        while self._idle:
            self._open -= 1
            await self._idle.pop().close(timeout=CONNECT_TIMEOUT)

    async def _take(self) -> tuple[bool, Driver]:
        while True:
            if self._idle:
                return False, self._idle.pop()
            if self._open < self.most:
                return True, await self._connect()
            driver = await self._wait()
            if driver is not None:
                return False, driver

    async def _connect(self) -> Driver:
        self._open += 1
        try:
            driver = await connect(
                self.url,
                application_name=self.options.application_name,
                settings=self.options.session_settings | self.settings,
            )
            for kind in ("json", "jsonb"):
                await driver.set_type_codec(kind, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        except BaseException:
            self._leave_room()
            raise
        return driver

    async def _wait(self) -> "Driver | None":
        """Somebody else's connection, or None where there is room for another one."""
        place: asyncio.Future[Driver | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(self.options.pool_timeout):
                return await place
        except BaseException:
            if place.done() and not place.cancelled():  # it came in the moment in which it was given up
                driver = place.result()
                if driver is None:
                    self._wake(None)
                else:
                    self._give(driver)
            raise

    def _give(self, driver: Driver) -> None:
        if not self._wake(driver):
            self._idle.append(driver)

    def _drop(self, driver: Driver) -> None:
        driver.terminate()
        self._leave_room()

    def _leave_room(self) -> None:
        self._open -= 1
        self._wake(None)

    def _wake(self, driver: "Driver | None") -> bool:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(driver)
                return True
        return False


class Readers:
    """For units of work of one database. `close()` lets go of the connections."""

    def __init__(self, url: str, options: EngineOptions | None = None) -> None:
        options = options or EngineOptions()
        self._of_all = _Line(url, options, _READ_ONLY, OF_ALL)
        self._of_workspaces = _Line(url, options, {**_READ_ONLY, "role": APPLICATION_ROLE}, OF_WORKSPACES)

    async def fetch(self, statement: Prepared, values: Values, workspace_id: UUID | None) -> list[asyncpg.Record]:
        """The rows that a unit of work would see which is bound to the workspace, or to none."""
        arguments = statement.arguments(values)
        if workspace_id is None:
            return await self._of_all.fetch(statement.sql, arguments)
        return await self._of_workspaces.fetch(_bound(statement.sql, len(arguments)), [*arguments, str(workspace_id)])

    async def close(self) -> None:
        """Let go."""
        await self._of_workspaces.close()
        await self._of_all.close()


@cache
def _bound(sql: str, parameters: int) -> str:
    """The statement about the workspace that one parameter more names.

    Without `OFFSET 0` the planner might pull the halves apart; what sets settings never runs in parallel.
    """
    return (
        "SELECT found.* FROM "  # noqa: S608 our own statements
        f"(SELECT set_config('{WORKSPACE_SETTING}', ${parameters + 1}, true) AS workspace OFFSET 0) AS bound "
        "CROSS JOIN LATERAL "
        f"(SELECT asked.* FROM ({sql}) AS asked WHERE bound.workspace IS NOT NULL OFFSET 0) AS found"
    )

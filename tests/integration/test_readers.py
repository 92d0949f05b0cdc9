"""Reads without a transaction: held inside their workspace, leaving nothing, surviving what connections die of."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
from attrs import frozen
from sqlalchemy import Text, bindparam, cast, func, select, true

from adapters.postgres.engine import EngineOptions, make_engine
from adapters.postgres.prepared import Prepared
from adapters.postgres.readers import OF_ALL, OF_WORKSPACES, Readers
from adapters.postgres.tables import collections, memberships, users, workspaces
from adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from application.errors import DatabaseUnavailable, SchemaOutdated
from domain.ids import WorkspaceId
from tests.contracts.units import execute, new_id

NAME = "readers under test"
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"

# What a program would have to forget for a leak: none of these has a condition.
EVERY_COLLECTION = Prepared.of(select(collections.c.workspace_id))
EVERY_WORKSPACE = Prepared.of(select(workspaces.c.id))
EVERY_MEMBER = Prepared.of(select(users.c.id).join(memberships, true()))
SETTINGS = Prepared.of(
    select(
        func.current_setting("app.workspace_id", true()).label("workspace"),
        func.current_setting("role").label("role"),
        func.pg_backend_pid().label("connection"),
    )
)
SLOW = Prepared.of(select(cast(func.pg_sleep(bindparam("seconds")), Text).label("slept")))
BROKEN = Prepared.of(select((1 / func.length(bindparam("word"))).label("number")))


@frozen
class Place:
    """Readers of a database with two workspaces."""

    url: str
    readers: Readers
    ours: WorkspaceId
    theirs: WorkspaceId


@pytest.fixture
async def place(migrated_database: str) -> AsyncIterator[Place]:
    ours, theirs = WorkspaceId(new_id()), WorkspaceId(new_id())
    for workspace_id in (ours, theirs):
        user = uuid4()
        await execute(migrated_database, "INSERT INTO workspaces VALUES ($1, 'W', 1, now())", workspace_id)
        await execute(
            migrated_database, "INSERT INTO users VALUES ($1, $2, 'N', 'hash', now())", user, f"{user}@example.org"
        )
        await execute(
            migrated_database,
            "INSERT INTO memberships (workspace_id, user_id, role, joined_at) VALUES ($1, $2, 1, now())",
            workspace_id,
            user,
        )
        await execute(
            migrated_database,
            "INSERT INTO collections VALUES ($1, $2, 'C', '', 'workspace', true, 1, now())",
            uuid4(),
            workspace_id,
        )
    readers = Readers(migrated_database, EngineOptions(application_name=NAME, pool_timeout=0.2))
    yield Place(migrated_database, readers, ours, theirs)
    await readers.close()


async def test_a_forgotten_where_leaks_nothing(place: Place) -> None:
    """Statements without a condition see one workspace, in turns and at once on the same few connections."""

    async def seen(workspace_id: WorkspaceId) -> tuple[set[UUID], set[UUID], int]:
        found = await place.readers.fetch(EVERY_COLLECTION, {}, workspace_id)
        itself = await place.readers.fetch(EVERY_WORKSPACE, {}, workspace_id)
        members = await place.readers.fetch(EVERY_MEMBER, {}, workspace_id)
        return {row["workspace_id"] for row in found}, {row["id"] for row in itself}, len(members)

    for _ in range(10):  # more often than a plan stays one for its values only
        assert ({place.ours}, {place.ours}, 1) == await seen(place.ours)
        assert ({place.theirs}, {place.theirs}, 1) == await seen(place.theirs)
    at_once = await asyncio.gather(*(seen([place.ours, place.theirs][n % 2]) for n in range(40)))

    assert [({place.ours}, {place.ours}, 1), ({place.theirs}, {place.theirs}, 1)] * 20 == at_once


async def test_a_workspace_that_is_none_has_no_rows(place: Place) -> None:
    """An id that names nothing shows nothing."""
    assert [] == await place.readers.fetch(EVERY_COLLECTION, {}, new_id())


async def test_nothing_of_a_statement_remains(place: Place) -> None:
    """Neither after an answer nor after an error; the role is there from the connection's start."""
    await place.readers.fetch(EVERY_COLLECTION, {}, place.ours)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await place.readers.fetch(BROKEN, {"word": ""}, place.ours)
    driver = place.readers._of_workspaces._idle[0]

    assert await driver.fetchval("SELECT coalesce(current_setting('app.workspace_id', true), '')") == ""
    assert await driver.fetch("SELECT * FROM collections") == []
    assert await driver.fetchval("RESET ROLE") is None
    assert await driver.fetchval("SELECT current_user") == "readingroom_app"
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await driver.execute("DELETE FROM collections")


async def test_a_read_of_none_sees_all(place: Place) -> None:
    """Log-in and maintenance read as the owner, and still only read."""
    rows = await place.readers.fetch(EVERY_COLLECTION, {}, None)
    [settings] = await place.readers.fetch(SETTINGS, {}, None)

    assert {place.ours, place.theirs} <= {row["workspace_id"] for row in rows}
    assert (settings["workspace"] or "", settings["role"]) == ("", "none")


async def test_connections_that_died_are_replaced(place: Place) -> None:
    """However many of them: a read may be asked again."""
    await asyncio.gather(*(place.readers.fetch(SLOW, {"seconds": 0.05}, place.ours) for _ in range(OF_WORKSPACES)))
    await execute(place.url, CUT, NAME)

    assert len(await place.readers.fetch(EVERY_COLLECTION, {}, place.ours)) == 1
    assert len(await place.readers.fetch(EVERY_COLLECTION, {}, place.theirs)) == 1


async def test_whoever_waits_too_long_is_told_and_nothing_is_lost(place: Place) -> None:
    """While every connection is busy others wait in line; one given up leaves its place to the next."""
    busy = [asyncio.create_task(place.readers.fetch(SLOW, {"seconds": 0.6}, place.ours)) for _ in range(OF_WORKSPACES)]
    await asyncio.sleep(0)  # both have begun to connect
    with pytest.raises(TimeoutError):
        await place.readers.fetch(EVERY_COLLECTION, {}, place.ours)
    given_up = asyncio.create_task(place.readers.fetch(EVERY_COLLECTION, {}, place.ours))
    await asyncio.sleep(0)
    given_up.cancel()
    for task in busy:
        task.cancel()
    await asyncio.gather(given_up, *busy, return_exceptions=True)
    rows = await asyncio.gather(*(place.readers.fetch(EVERY_COLLECTION, {}, place.ours) for _ in range(20)))

    assert [1] * 20 == [len(found) for found in rows]


async def test_no_more_connections_than_said(place: Place) -> None:
    """Reads by the hundred share them."""
    of = [place.ours, None]
    rows = await asyncio.gather(*(place.readers.fetch(SETTINGS, {}, of[n % 2]) for n in range(200)))

    assert len({row["connection"] for [row] in rows}) <= OF_WORKSPACES + OF_ALL


async def test_what_is_wrong_is_told_as_everywhere(fresh_database: str) -> None:
    """A database that is not migrated, and none at all."""
    engine, readers = make_engine(fresh_database), Readers(fresh_database)
    for workspace_id in (WorkspaceId(new_id()), None):
        with pytest.raises(SchemaOutdated):
            async with PostgresUnitOfWorkFactory(engine, readers)(workspace_id) as work:
                await work.workspaces.get(WorkspaceId(new_id()))
    nowhere = Readers("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnavailable):
        async with PostgresUnitOfWorkFactory(engine, nowhere)(WorkspaceId(new_id())) as work:
            await work.workspaces.get(WorkspaceId(new_id()))
    await readers.close()
    await engine.dispose()


async def test_a_unit_of_work_that_only_reads_takes_no_connection_of_the_pool(place: Place) -> None:
    """And one that then writes sees what it wrote, as always."""
    engine = make_engine(place.url)
    begin = PostgresUnitOfWorkFactory(engine, place.readers)
    async with begin(place.ours) as work:
        found = await work.workspaces.get(place.ours)
        assert found is not None
        assert await work.workspaces.get(place.theirs) is None
        before = engine.pool.checkedout()  # type: ignore[attr-defined]
        await work.workspaces.save(found.renamed("Other"))
        after = engine.pool.checkedout()  # type: ignore[attr-defined]
        seen = await work.workspaces.get(place.ours)
        async with begin(place.ours) as other:
            unseen = await other.workspaces.get(place.ours)
    await engine.dispose()

    assert (0, 1) == (before, after)
    assert seen is not None
    assert unseen is not None
    assert ("Other", "W") == (seen.name, unseen.name)

"""The way from an empty database to the newest schema and back, and what row-level security keeps apart."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from sqlalchemy import Connection, text

from adapters.postgres import migrations
from adapters.postgres.engine import make_engine
from adapters.postgres.queue_schema import QUEUE_TABLES, queries_on
from adapters.postgres.tables import metadata
from adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from application.errors import DatabaseUnavailable, SchemaOutdated
from domain.ids import DocumentId, WorkspaceId
from tests.contracts.units import execute, new_id

REVISIONS = [
    script.revision for script in reversed(list(ScriptDirectory(str(migrations.SCRIPTS)).walk_revisions())) if script
]


async def _catalog(url: str) -> list[tuple[str, ...]]:
    """Everything in the schema that migrations make, but for Alembic's own table."""
    rows = await execute(
        url,
        """
        SELECT 'column', table_name, column_name, data_type, is_nullable FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name <> 'alembic_version'
        UNION ALL SELECT 'index', tablename, indexname, indexdef, '' FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
        UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), ''
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
        UNION ALL SELECT 'policy', tablename, policyname, qual, coalesce(with_check, '') FROM pg_policies
        UNION ALL SELECT 'grant', table_name, privilege_type, grantee, '' FROM information_schema.table_privileges
        WHERE table_schema = 'public' AND table_name <> 'alembic_version'
        UNION ALL SELECT 'type', typname, '', '', '' FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e'
        UNION ALL SELECT 'function', proname, prosrc, '', '' FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        ORDER BY 1, 2, 3, 4
        """,  # noqa: E501
    )
    return [tuple(row.values()) for row in rows]


async def test_each_step_goes_up_down_and_up(fresh_database: str) -> None:
    """Every revision can be undone without a trace and applied again."""
    for number, revision in enumerate(REVISIONS):
        before = await _catalog(fresh_database)
        await migrations.upgrade(fresh_database, revision)
        applied = await _catalog(fresh_database)
        await migrations.downgrade(fresh_database, REVISIONS[number - 1] if number else "base")
        assert before == await _catalog(fresh_database)
        await migrations.upgrade(fresh_database, revision)
        assert applied == await _catalog(fresh_database)
        assert applied != before

    await migrations.downgrade(fresh_database, "base")
    assert await _catalog(fresh_database) == []


async def test_the_migrated_schema_is_that_of_the_tables(migrated_database: str) -> None:
    """Nothing is missing in the migrations, nothing too much."""

    def differences(connection: Connection) -> list[object]:
        options = {
            "compare_type": True,
            "include_name": lambda name, kind, _parents: not (kind == "table" and name in QUEUE_TABLES),
        }
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    engine = make_engine(migrated_database)
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()

    assert found == []


async def test_the_migrated_queue_is_what_pgqueuer_expects(migrated_database: str) -> None:
    """The frozen statements fit the pgqueuer that is installed; a newer one may need a migration."""
    connection = await asyncpg.connect(migrated_database)
    plan = await queries_on(AsyncpgDriver(connection)).plan_upgrade()
    await connection.close()

    assert list(plan.statements) == []


async def test_upgrading_again_changes_nothing(migrated_database: str) -> None:
    """At the head there is nothing to do."""
    before = await _catalog(migrated_database)
    await migrations.upgrade(migrated_database)

    assert before == await _catalog(migrated_database)
    assert (await migrations.check(migrated_database)).is_current


async def test_several_may_upgrade_at_once(fresh_database: str) -> None:
    """Processes that start together take turns."""
    await asyncio.gather(*(migrations.upgrade(fresh_database) for _ in range(4)))

    assert await migrations.current(fresh_database) == migrations.head_revision()


async def test_the_state_of_a_database_is_told(fresh_database: str) -> None:
    """Empty, behind, current, or made by a newer version."""
    state = await migrations.check(fresh_database)
    assert (None, tuple(REVISIONS), False) == (state.current, state.pending, state.unknown)
    with pytest.raises(SchemaOutdated, match="readingroom migrate"):
        state.require_current()

    await migrations.upgrade(fresh_database, REVISIONS[0])
    state = await migrations.check(fresh_database)
    assert (REVISIONS[0], tuple(REVISIONS[1:])) == (state.current, state.pending)

    await migrations.upgrade(fresh_database)
    (await migrations.check(fresh_database)).require_current()

    await execute(fresh_database, "UPDATE alembic_version SET version_num = '9999'")
    state = await migrations.check(fresh_database)
    assert state.unknown
    with pytest.raises(SchemaOutdated, match="newer version"):
        await migrations.upgrade(fresh_database)


async def test_ping_tells_what_is_wrong(fresh_database: str) -> None:
    """Unreachable, empty and outdated are told apart from ready."""
    engine = make_engine(fresh_database)
    factory = PostgresUnitOfWorkFactory(engine)
    with pytest.raises(SchemaOutdated):
        await factory.ping()
    with pytest.raises(SchemaOutdated):
        async with factory(WorkspaceId(new_id())) as work:
            await work.documents.get(DocumentId(new_id()))
    await migrations.upgrade(fresh_database, REVISIONS[0])
    with pytest.raises(SchemaOutdated, match="readingroom migrate"):
        await factory.ping()
    await migrations.upgrade(fresh_database)
    await factory.ping()
    await engine.dispose()

    unreachable = make_engine("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnavailable):
        await PostgresUnitOfWorkFactory(unreachable).ping()
    await unreachable.dispose()


async def test_a_connection_that_died_in_the_pool_is_replaced(migrated_database: str) -> None:
    """After a restart of Postgres the next unit of work succeeds; one that was open is told."""
    engine = make_engine(migrated_database)
    factory = PostgresUnitOfWorkFactory(engine)
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'readingroom' AND datname = current_database()"  # noqa: E501
    await factory.ping()
    await execute(migrated_database, cut)
    await factory.ping()

    async def be_cut() -> None:
        async with factory(None) as work:
            await work.workspaces.owned()  # opens it
            await execute(migrated_database, cut)
            await work.workspaces.owned()

    with pytest.raises(DatabaseUnavailable):
        await be_cut()
    await factory.ping()
    await engine.dispose()


@pytest.fixture
async def bound(migrated_database: str) -> AsyncIterator[tuple[asyncpg.Connection, WorkspaceId]]:
    """A connection as a bound unit of work has it, with two workspaces of one collection each."""
    ours, theirs = WorkspaceId(new_id()), WorkspaceId(new_id())
    for workspace_id in (ours, theirs):
        await execute(migrated_database, "INSERT INTO workspaces VALUES ($1, 'W', 1, now())", workspace_id)
        await execute(
            migrated_database,
            "INSERT INTO collections VALUES ($1, $2, 'C', '', 'workspace', true, 1, now())",
            uuid4(),
            workspace_id,
        )
    engine = make_engine(migrated_database)
    async with PostgresUnitOfWorkFactory(engine)(ours) as work:
        yield await work.session.transaction.driver(), theirs
    await engine.dispose()


async def test_every_table_with_a_workspace_is_guarded(migrated_database: str) -> None:
    """A new table cannot be forgotten: each one that knows its workspace has row-level security and a policy."""
    guarded = {
        row["relname"]
        for row in await execute(
            migrated_database,
            "SELECT relname FROM pg_class WHERE relrowsecurity AND EXISTS "
            "(SELECT FROM pg_policy WHERE polrelid = pg_class.oid)",
        )
    }

    assert {table.name for table in metadata.tables.values() if "workspace_id" in table.c} <= guarded
    assert {"workspaces", "users"} <= guarded


async def test_a_forgotten_where_leaks_nothing(bound: tuple[asyncpg.Connection, WorkspaceId]) -> None:
    """Statements without any condition see and change one workspace."""
    connection, theirs = bound
    rows = await connection.fetch("SELECT workspace_id FROM collections")
    assert len(rows) == 1
    assert rows[0]["workspace_id"] != theirs
    assert await connection.execute("UPDATE collections SET description = 'x'") == "UPDATE 1"
    assert await connection.fetchval("SELECT count(*) FROM workspaces") == 1
    assert await connection.execute("DELETE FROM collections") == "DELETE 1"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO collections VALUES (gen_random_uuid(), $1, 'N', '', 'workspace', false, 1, now())",
        "UPDATE collections SET workspace_id = $1",
        "INSERT INTO workspaces VALUES ($1, 'W', 1, now())",
        "SELECT payload FROM jobs WHERE $1::uuid IS NOT NULL",
        "DELETE FROM jobs WHERE $1::uuid IS NOT NULL",
        "SELECT 1 FROM login_sessions WHERE $1::uuid IS NOT NULL",
        "DELETE FROM users WHERE $1::uuid IS NOT NULL",
        "UPDATE alembic_version SET version_num = '' WHERE $1::uuid IS NOT NULL",
    ],
)
async def test_reaching_outside_is_refused(bound: tuple[asyncpg.Connection, WorkspaceId], statement: str) -> None:
    """Rows of another workspace cannot be written; what belongs to none cannot be touched."""
    connection, theirs = bound
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetch(statement, theirs)


async def test_the_binding_ends_with_the_transaction(migrated_database: str) -> None:
    """A connection goes back to the pool as its owner, bound to nothing."""
    engine = make_engine(migrated_database)
    factory = PostgresUnitOfWorkFactory(engine)
    async with factory(WorkspaceId(new_id())) as work:
        assert await work.workspaces.all_ids() == []
        await work.commit()
    async with engine.connect() as connection:
        row = (
            await connection.execute(
                text("SELECT current_user = session_user, current_setting('app.workspace_id', true)")
            )
        ).one()
    await engine.dispose()

    assert row[0]
    assert row[1] in {None, ""}


async def test_a_role_that_may_not_create_roles_is_told_what_to_ask_for(postgres_server: str) -> None:
    """Where the bound role is missing and cannot be made, the message names the two statements."""
    script = ScriptDirectory(str(migrations.SCRIPTS)).get_revision("0003")
    assert script is not None
    missing = script.module.CREATE_ROLE.replace(script.module.ROLE, f"missing_{uuid4().hex}")
    may_create = (
        await execute(
            postgres_server, "SELECT rolsuper OR rolcreaterole AS may FROM pg_roles WHERE rolname = current_user"
        )
    )[0]
    if may_create["may"]:
        pytest.skip("the given server's role may create roles")

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="may not create the role") as caught:
        await execute(postgres_server, missing)

    assert "CREATE ROLE" in str(caught.value.hint)
    assert "GRANT" in str(caught.value.hint)

"""The schema's versions: where they lie, what a database has, and the way from one to the other."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from attrs import frozen
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from adapters.postgres.engine import connect
from adapters.postgres.errors import translated
from alembic import command
from application.errors import SchemaOutdated

# beside the package in the checkout, inside of it in the wheel: the same place as seen from here
SCRIPTS: Final = Path(__file__).resolve().parents[2] / "alembic"

Result = TypeVar("Result")

_LOCK: Final = 0x52656164  # "Read"; any number that nobody else locks in this database


@frozen(kw_only=True)
class SchemaState:
    """How a database's schema stands to the one that this version of the program was written for."""

    current: str | None  # None: the database is empty
    head: str
    pending: tuple[str, ...]  # revisions to apply, in order
    unknown: bool  # made by a newer version of the program

    @property
    def is_current(self) -> bool:
        """Whether the program can run on it."""
        return self.current == self.head

    def require_current(self) -> None:
        """Raise `SchemaOutdated`, saying what to do, unless it is current."""
        if self.unknown:
            raise SchemaOutdated(
                f"The database is at schema {self.current}, which a newer version of Reading Room made. "
                "Run that version, or restore a backup."
            )
        if not self.is_current:
            raise SchemaOutdated(
                f"The database is at schema {self.current or '(none)'}, this version needs {self.head}. "
                "Run `readingroom migrate`."
            )


async def upgrade(url: str, revision: str = "head") -> None:
    """Bring the schema to `revision`, all or nothing; several at once take turns and the later find nothing to do.

    Raises `PermissionError` when the role in the URL may not create what is needed, `SchemaOutdated` when a newer
    version made the schema, `DatabaseUnavailable` when Postgres cannot be reached.
    """

    def migrate(connection: Connection) -> None:
        state = _state(connection)
        if state.unknown:
            state.require_current()
        command.upgrade(_config(connection), revision)

    await _in_transaction(url, migrate)


async def downgrade(url: str, revision: str) -> None:
    """Back to `revision` (`base`: no schema at all). What the later ones held is lost."""
    await _in_transaction(url, lambda connection: command.downgrade(_config(connection), revision))


async def check(url: str) -> SchemaState:
    """How the database stands, without changing it."""
    return await _in_transaction(url, _state)


async def current(url: str) -> str | None:
    """The revision that the database is at, None when it is empty."""
    return (await check(url)).current


@cache
def head_revision() -> str:
    """The revision that this version of the program needs."""
    head = _scripts().get_current_head()
    if head is None:
        raise RuntimeError(f"no migrations in {SCRIPTS}")
    return head


def revisions() -> frozenset[str]:
    """All that this version of the program knows."""
    return frozenset(script.revision for script in _scripts().walk_revisions())


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


def _state(connection: Connection) -> SchemaState:
    scripts = _scripts()
    present = MigrationContext.configure(connection).get_current_revision()
    known = [script.revision for script in reversed(list(scripts.walk_revisions()))]  # oldest first
    unknown = present is not None and present not in known
    done = known.index(present) + 1 if present is not None and not unknown else 0
    return SchemaState(
        current=present, head=head_revision(), pending=() if unknown else tuple(known[done:]), unknown=unknown
    )


async def _in_transaction(url: str, work: Callable[[Connection], Result]) -> Result:
    """Run it on a connection of its own, alone among all who migrate this database."""

    async def creator() -> Any:
        return await connect(url, application_name="readingroom-migrate")

    engine = create_async_engine(
        "postgresql+asyncpg://", connect_args={"async_creator_fn": creator}, poolclass=NullPool
    )
    try:
        with translated():
            async with engine.begin() as connection:
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                return await connection.run_sync(work)
    finally:
        await engine.dispose()

"""The one place where Postgres' errors become ours.

::

    AlreadyExists         unique violation, with the constraint's name
    ConcurrentChange      deadlock, serialization failure, a parent row that has gone meanwhile
    SchemaOutdated        a table, column, function or our role is not there
    DatabaseUnavailable   refused, closed, shutting down, full, too slow, no connection free
    PermissionError       a unit of work bound to a workspace reached outside of it, which is a mistake in the
                          program; or a migration needs rights that the role has not

Everything else passes as it is: it is a defect, to be seen as one.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
from sqlalchemy import exc
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi

from application.errors import AlreadyExists, ConcurrentChange, DatabaseUnavailable, SchemaOutdated

APPLICATION_ROLE: Final = "readingroom_app"  # as whom units of work run that are bound to a workspace
RETRY_AFTER: Final = 2.0  # seconds; a restart of Postgres takes about that long

# SQLSTATE codes and classes, https://www.postgresql.org/docs/current/errcodes-appendix.html
_UNIQUE_VIOLATION = "23505"
_CONCURRENT = frozenset({"40001", "40P01", "23503"})
_OUTDATED = frozenset({"42P01", "42703", "42883", "42704", "3F000"})
_INVALID_PARAMETER = "22023"  # what setting a role that is not there gives
_FORBIDDEN = "42501"
_UNAVAILABLE_CLASSES = frozenset({"08", "53", "57", "58", "28"})
_UNAVAILABLE = frozenset({"25006", "3D000", "55P03", "25P03"})

_Adapted = AsyncAdapt_asyncpg_dbapi.Error  # what SQLAlchemy's pool raises, around the driver's

_NO_CONNECTION = (
    OSError,
    TimeoutError,
    asyncio.TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    exc.InterfaceError,
    exc.TimeoutError,  # every connection of the pool is in use
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise this module's errors in place of the driver's and SQLAlchemy's."""
    try:
        yield
    except (exc.SQLAlchemyError, _Adapted, asyncpg.PostgresError, *_NO_CONNECTION) as error:
        translation = translate(error)
        if translation is None:
            raise
        raise translation from error


def translate(error: BaseException) -> Exception | None:  # noqa: PLR0911 a table, read from top to bottom
    """The error to raise instead; None where it says nothing that callers could act upon."""
    cause = _driver_error(error)
    state: str | None = getattr(cause, "sqlstate", None)
    if state is None:
        return _unavailable(cause) if isinstance(cause, _NO_CONNECTION) or _is_disconnect(error) else None
    if state == _UNIQUE_VIOLATION:
        constraint = str(getattr(cause, "constraint_name", None) or "")
        return AlreadyExists(f"A row with the same value exists ({constraint}).", constraint=constraint)
    if state in _CONCURRENT:
        return ConcurrentChange("Another writer was first; load again and decide anew.")
    if state in _OUTDATED or (state == _INVALID_PARAMETER and APPLICATION_ROLE in str(cause)):
        return SchemaOutdated("The database does not have this version's schema. Run `readingroom migrate`.")
    if state == _FORBIDDEN:
        hint = getattr(cause, "hint", None)
        return PermissionError(f"Postgres does not allow it: {cause}" if hint is None else f"{cause}\n{hint}")
    if state[:2] in _UNAVAILABLE_CLASSES or state in _UNAVAILABLE:
        return _unavailable(cause)
    return None


def _unavailable(cause: BaseException) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"Postgres cannot be used at the moment ({type(cause).__name__}).", retry_after=RETRY_AFTER
    )


def _driver_error(error: BaseException) -> BaseException:
    """What asyncpg raised, below the layers that SQLAlchemy puts around it."""
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        error = error.orig
    return error.__cause__ or error if isinstance(error, _Adapted) else error


def _is_disconnect(error: BaseException) -> bool:
    return isinstance(error, exc.DBAPIError) and error.connection_invalidated

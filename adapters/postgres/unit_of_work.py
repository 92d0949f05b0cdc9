"""One transaction on Postgres."""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.errors import translated
from adapters.postgres.jobs import PostgresJobQueue
from adapters.postgres.readers import Readers
from adapters.postgres.repositories.accounts import PostgresApiKeys, PostgresInvitations
from adapters.postgres.repositories.audit import PostgresAuditLog
from adapters.postgres.repositories.conversations import PostgresConversations, PostgresMessages
from adapters.postgres.repositories.documents import PostgresDocuments
from adapters.postgres.repositories.erasures import PostgresErasures
from adapters.postgres.repositories.generations import PostgresGenerations
from adapters.postgres.repositories.idempotency import PostgresIdempotencyKeys
from adapters.postgres.repositories.passages import PostgresPassages
from adapters.postgres.repositories.rooms import PostgresRooms
from adapters.postgres.repositories.runs import PostgresRunRecords
from adapters.postgres.repositories.usage import PostgresUsageRecords
from adapters.postgres.repositories.users import PostgresLoginSessions, PostgresUsers
from adapters.postgres.repositories.workspaces import PostgresCollections, PostgresWorkspaces
from adapters.postgres.session import Session
from adapters.postgres.tables import collections, documents
from adapters.postgres.transaction import Transaction
from application.calls import current_call
from application.errors import SchemaOutdated
from application.ports.accounts import ApiKeys, Invitations
from application.ports.audit import AuditLog
from application.ports.document_repositories import Documents, Erasures, Passages
from application.ports.generations import GenerationRecords
from application.ports.idempotency import IdempotencyKeys
from application.ports.jobs import JobQueue
from application.ports.repositories import Collections, Conversations, LoginSessions, Messages, Users, Workspaces
from application.ports.rooms import Rooms
from application.ports.runs import RunRecords
from application.ports.unit_of_work import Listener
from application.ports.usage import UsageRecords
from application.reactions import jobs_for
from domain.ids import WorkspaceId

_LISTED: Final = frozenset({documents.name, collections.name})

R = TypeVar("R")


class _Repository(Generic[R]):
    """Made when it is first asked for: there are many, and a request needs one or two."""

    def __init__(self, make: Callable[[Session], R]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, work: "PostgresUnitOfWork", owner: type) -> R:
        made = work.__dict__[self._name] = self._make(work.session)
        return made


class PostgresUnitOfWork:
    """Keeps the promises of `application.ports.unit_of_work.UnitOfWork`. Entered once.

    Bound to a workspace it runs as a role that row-level security holds inside it; bound to none, as the owner.
    """

    users = _Repository[Users](PostgresUsers)
    login_sessions = _Repository[LoginSessions](PostgresLoginSessions)
    workspaces = _Repository[Workspaces](PostgresWorkspaces)
    api_keys = _Repository[ApiKeys](PostgresApiKeys)
    invitations = _Repository[Invitations](PostgresInvitations)
    collections = _Repository[Collections](PostgresCollections)
    documents = _Repository[Documents](PostgresDocuments)
    erasures = _Repository[Erasures](PostgresErasures)
    generations = _Repository[GenerationRecords](PostgresGenerations)
    passages = _Repository[Passages](PostgresPassages)
    conversations = _Repository[Conversations](PostgresConversations)
    messages = _Repository[Messages](PostgresMessages)
    idempotency = _Repository[IdempotencyKeys](PostgresIdempotencyKeys)
    audit = _Repository[AuditLog](PostgresAuditLog)
    runs = _Repository[RunRecords](PostgresRunRecords)
    usage = _Repository[UsageRecords](PostgresUsageRecords)
    rooms = _Repository[Rooms](PostgresRooms)
    jobs = _Repository[JobQueue](PostgresJobQueue)

    def __init__(
        self,
        engine: AsyncEngine,
        readers: Readers | None,
        workspace_id: WorkspaceId | None,
        listeners: Sequence[Listener],
    ) -> None:
        self._engine = engine
        self._readers = readers
        self._workspace_id = workspace_id
        self._listeners = listeners
        self._changed_lists = False
        self._session: Session | None = None

    async def __aenter__(self) -> Self:
        self._session = Session(Transaction(self._engine, self._readers, self._workspace_id), self._workspace_id)
        return self

    @property
    def session(self) -> Session:
        """What the repositories share, inside the context."""
        if self._session is None:
            raise RuntimeError("a unit of work is used inside its context")
        return self._session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            with translated():
                await self._session.transaction.close(error)
        if self._changed_lists and self._workspace_id is not None:
            for listener in self._listeners:
                await listener(self._workspace_id)

    async def commit(self, result: object | None = None) -> None:
        """Write the jobs that follow from the events of saved aggregates, and the answer of an attempt; then commit."""
        session = self.session
        await self.jobs.enqueue(jobs_for(session.events))
        session.events.clear()
        attempt = current_call().attempt
        if attempt is not None:
            await attempt.record(self.idempotency, result)
        with translated():
            self._changed_lists |= not _LISTED.isdisjoint(session.written)  # also where nobody learns whether it lasts
            session.written.clear()
            await session.transaction.commit()
        if attempt is not None:
            attempt.committed()

    async def schema_revision(self) -> str | None:
        """The revision that migrations left; `SchemaOutdated` where there were none."""
        row = await self.session.one(text("SELECT version_num FROM alembic_version"))
        return row["version_num"] if row else None


class PostgresUnitOfWorkFactory:
    """Keeps the promises of `application.ports.unit_of_work.UnitOfWorkFactory`. Who made the engine closes it.

    Without `readers`, as behind a pooler that hands out connections by transaction, reading is a transaction too.
    """

    def __init__(self, engine: AsyncEngine, readers: Readers | None = None) -> None:
        self._engine = engine
        self._readers = readers
        self._listeners: list[Listener] = []

    def __call__(self, workspace_id: WorkspaceId | None) -> PostgresUnitOfWork:
        """A new one bound to a workspace; None for what has none yet."""
        return PostgresUnitOfWork(self._engine, self._readers, workspace_id, self._listeners)

    def listen(self, listener: Listener) -> None:
        """Await it with the workspace whose documents or collections changed."""
        self._listeners.append(listener)

    async def ping(self) -> None:
        """Raise `DatabaseUnavailable` or `SchemaOutdated` unless a unit of work could do its work now."""
        head = await asyncio.to_thread(_head_revision)
        async with self(None) as work:
            present = await work.schema_revision()
        if present != head:
            raise SchemaOutdated(
                f"The database is at schema {present}, this version needs {head}. Run `readingroom migrate`."
            )


def _head_revision() -> str:
    from adapters.postgres.migrations import head_revision  # only readiness checks need Alembic

    return head_revision()

"""One transaction on Postgres."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

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


class PostgresUnitOfWork:
    """Keeps the promises of `application.ports.unit_of_work.UnitOfWork`. Entered once.

    Bound to a workspace it runs as a role that row-level security holds inside it; bound to none, as the owner.
    """

    users: Users
    login_sessions: LoginSessions
    workspaces: Workspaces
    api_keys: ApiKeys
    invitations: Invitations
    collections: Collections
    documents: Documents
    erasures: Erasures
    generations: GenerationRecords
    passages: Passages
    conversations: Conversations
    messages: Messages
    idempotency: IdempotencyKeys
    audit: AuditLog
    runs: RunRecords
    usage: UsageRecords
    rooms: Rooms
    jobs: JobQueue

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
        transaction = Transaction(self._engine, self._readers, self._workspace_id)
        session = self._session = Session(transaction, self._workspace_id)
        self.users = PostgresUsers(session)
        self.login_sessions = PostgresLoginSessions(session)
        self.workspaces = PostgresWorkspaces(session)
        self.api_keys = PostgresApiKeys(session)
        self.invitations = PostgresInvitations(session)
        self.collections = PostgresCollections(session)
        self.documents = PostgresDocuments(session)
        self.erasures = PostgresErasures(session)
        self.generations = PostgresGenerations(session)
        self.passages = PostgresPassages(session)
        self.conversations = PostgresConversations(session)
        self.messages = PostgresMessages(session)
        self.idempotency = PostgresIdempotencyKeys(session)
        self.audit = PostgresAuditLog(session)
        self.runs = PostgresRunRecords(session)
        self.usage = PostgresUsageRecords(session)
        self.rooms = PostgresRooms(session)
        self.jobs = PostgresJobQueue(session)
        return self

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
        if self._session is None:
            raise RuntimeError("a unit of work is committed inside its context")
        await self.jobs.enqueue(jobs_for(self._session.events))
        self._session.events.clear()
        attempt = current_call().attempt
        if attempt is not None:
            await attempt.record(self.idempotency, result)
        with translated():
            await self._session.transaction.commit()
        self._changed_lists |= not _LISTED.isdisjoint(self._session.written)
        self._session.written.clear()
        if attempt is not None:
            attempt.committed()

    async def schema_revision(self) -> str | None:
        """The revision that migrations left; `SchemaOutdated` where there were none."""
        if self._session is None:
            raise RuntimeError("a unit of work is used inside its context")
        row = await self._session.one(text("SELECT version_num FROM alembic_version"))
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

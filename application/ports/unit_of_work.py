"""One transaction."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Protocol, Self

from application.ports.accounts import ApiKeys, Invitations
from application.ports.audit import AuditLog
from application.ports.document_repositories import Documents, Erasures, Passages
from application.ports.generations import GenerationRecords
from application.ports.idempotency import IdempotencyKeys
from application.ports.jobs import JobQueue
from application.ports.repositories import Collections, Conversations, LoginSessions, Messages, Users, Workspaces
from application.ports.rooms import Rooms
from application.ports.runs import RunRecords
from application.ports.usage import UsageRecords
from domain.ids import WorkspaceId

Listener = Callable[[WorkspaceId], Awaitable[None]]


class UnitOfWork(Protocol):
    """Repositories on one transaction.

    Leaving the context rolls back whatever was not committed; `commit` is the last line one can point at.
    Everything read inside is one consistent snapshot at Postgres' READ COMMITTED. Do not hold one across a model,
    vector, Redis, file or network call. Raises `application.errors.DatabaseUnavailable` when Postgres
    cannot be reached, on entering or at any later call.
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

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def commit(self, result: object | None = None) -> None:
        """Write the jobs that follow from the events of saved aggregates (`application.reactions`), then commit.

        `result` is what the use case is about to return. Where the call is an attempt at a request with an
        idempotency key (`application.calls`), its answer is made from it and committed too; `ConcurrentChange` when
        another attempt took over, and then nothing is committed.
        """
        ...


class UnitOfWorkFactory(Protocol):
    """Makes units of work."""

    def __call__(self, workspace_id: WorkspaceId | None) -> UnitOfWork:
        """A new one bound to a workspace; None for what has none yet (log in, register, maintenance).

        Bound, it sees the rows of its workspace and its members alone; writing elsewhere, changing people or
        touching login sessions raises `PermissionError`: a mistake in the program.
        """
        ...

    def listen(self, listener: Listener) -> None:
        """Await `listener` whenever a unit of work bound to a workspace has committed documents or collections.

        It is given the workspace, after the transaction is over and before the unit of work's context is left.
        """
        ...

    async def ping(self) -> None:
        """Raise `DatabaseUnavailable` unless Postgres answers, `SchemaOutdated` unless its schema is this version's."""
        ...

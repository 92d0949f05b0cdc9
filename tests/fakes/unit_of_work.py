"""Units of work in memory."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from attrs import field, frozen

from application.calls import current_call
from application.errors import DatabaseUnavailable
from application.ports.accounts import ApiKeys, Invitations
from application.ports.document_repositories import Documents, Erasures, Passages
from application.ports.generations import GenerationRecords
from application.ports.jobs import JobQueue
from application.ports.repositories import Collections, Conversations, LoginSessions, Messages, Users, Workspaces
from application.ports.rooms import Rooms
from application.ports.runs import RunRecords
from application.ports.unit_of_work import Listener
from application.ports.usage import UsageRecords
from application.reactions import jobs_for
from domain.ids import WorkspaceId
from tests.fakes.accounts import FakeApiKeys, FakeInvitations
from tests.fakes.audit import FakeAuditLog
from tests.fakes.database import COLLECTIONS, DOCUMENTS, FakeDatabase, FakeTransaction
from tests.fakes.document_repositories import FakeDocuments, FakeErasures, FakePassages
from tests.fakes.generations import FakeGenerations
from tests.fakes.idempotency import FakeIdempotencyKeys
from tests.fakes.jobs import FakeJobQueue
from tests.fakes.repositories import (
    FakeCollections,
    FakeConversations,
    FakeLoginSessions,
    FakeMessages,
    FakeUsers,
    FakeWorkspaces,
)
from tests.fakes.rooms import FakeRooms
from tests.fakes.run_records import FakeRunRecords
from tests.fakes.usage import FakeUsageRecords


class FakeUnitOfWork:
    """A transaction on a `FakeDatabase`."""

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
    runs: RunRecords
    usage: UsageRecords
    rooms: Rooms
    jobs: JobQueue

    def __init__(
        self, database: FakeDatabase, workspace_id: WorkspaceId | None, listeners: Sequence[Listener] = ()
    ) -> None:
        self._listeners = listeners
        self._changed_lists = False
        self._transaction = transaction = FakeTransaction(database, workspace_id)
        self.users = FakeUsers(transaction)
        self.login_sessions = FakeLoginSessions(transaction)
        self.workspaces = FakeWorkspaces(transaction)
        self.api_keys = FakeApiKeys(transaction)
        self.invitations = FakeInvitations(transaction)
        self.collections = FakeCollections(transaction)
        self.documents = FakeDocuments(transaction)
        self.erasures = FakeErasures(transaction)
        self.generations = FakeGenerations(transaction)
        self.passages = FakePassages(transaction)
        self.conversations = FakeConversations(transaction)
        self.messages = FakeMessages(transaction)
        self.idempotency = FakeIdempotencyKeys(transaction)
        self.audit = FakeAuditLog(transaction)
        self.runs = FakeRunRecords(transaction)
        self.usage = FakeUsageRecords(transaction)
        self.rooms = FakeRooms(transaction)
        self.jobs = FakeJobQueue(transaction)

    async def __aenter__(self) -> Self:
        self._transaction.database.check()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transaction.release()
        workspace_id = self._transaction.workspace_id
        if self._changed_lists and workspace_id is not None:
            for listener in self._listeners:
                await listener(workspace_id)

    async def commit(self, result: object | None = None) -> None:
        """Jobs that follow from events, then everything at once."""
        await self.jobs.enqueue(jobs_for(self._transaction.events))
        self._transaction.events.clear()
        attempt = current_call().attempt
        if attempt is not None:
            await attempt.record(self.idempotency, result)
        self._changed_lists |= not {DOCUMENTS, COLLECTIONS}.isdisjoint(self._transaction.written)
        self._transaction.apply()
        if self._transaction.database.commits_unanswered:
            raise DatabaseUnavailable("the connection broke")
        if attempt is not None:
            if self._transaction.database.dies_after_commit:
                raise SystemError("the process was killed")
            attempt.committed()


@frozen
class FakeUnitOfWorkFactory:
    """Units of work on one database in memory, open to look into."""

    database: FakeDatabase = field(factory=FakeDatabase)
    listeners: list[Listener] = field(factory=list)

    def __call__(self, workspace_id: WorkspaceId | None) -> FakeUnitOfWork:
        return FakeUnitOfWork(self.database, workspace_id, self.listeners)

    def listen(self, listener: Listener) -> None:
        self.listeners.append(listener)

    async def ping(self) -> None:
        self.database.check()

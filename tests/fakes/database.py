"""Rows in memory with transactions, row locks and the border of workspaces, as Postgres would have them.

Writes are seen by nobody else before the commit. Whoever writes a row, or a value that is unique, waits for whoever
did so before until that one's transaction ends, and then decides on what was committed: READ COMMITTED.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar
from uuid import UUID

from attrs import define, evolve, field, frozen

from application.errors import AlreadyExists, ConcurrentChange, DatabaseUnavailable, SchemaOutdated
from application.ports.jobs import AnyJob
from domain.documents import Document
from domain.ids import WorkspaceId
from domain.passages import Chunk, Page

Row = TypeVar("Row")

USERS, SESSIONS, WORKSPACES, MEMBERSHIPS = "users", "login_sessions", "workspaces", "memberships"
COLLECTIONS, READERS, DOCUMENTS = "collections", "collection_members", "documents"
API_KEYS, INVITATIONS = "api_keys", "invitations"
ERASURES, GENERATIONS = "erasures", "index_generations"
CHUNKS, PAGES, CONVERSATIONS, MESSAGES, RUNS = "chunks", "pages", "conversations", "messages", "answer_runs"
FEEDBACK, USAGE = "feedback", "usage"
ROOMS, ROOM_MEMBERS, ROOM_EVENTS = "rooms", "room_members", "room_events"


@frozen
class StoredChunk:
    """A chunk knows its document; its row also knows the workspace."""

    workspace_id: WorkspaceId
    chunk: Chunk
    generation: int = 1


@frozen
class StoredPage:
    """A page as a row."""

    workspace_id: WorkspaceId
    document_id: UUID
    revision: int
    page: Page
    text: str
    generation: int = 1


@frozen
class Reader:
    """Somebody whom a restricted collection lists."""

    workspace_id: WorkspaceId
    collection_id: UUID
    user_id: UUID


@frozen
class QueuedJob:
    """A job that was committed."""

    job: AnyJob
    delay: float  # seconds


@define
class FakeDatabase:
    """What was committed. `available` and `migrated` can be taken away to see what callers make of it.

    With `dies_after_commit` the commit of a request with an idempotency key is the last thing its process does. With
    `commits_unanswered` the connection breaks after a commit, before its answer came.
    """

    tables: dict[str, dict[Hashable, Any]] = field(factory=dict)
    jobs: list[QueuedJob] = field(factory=list)
    available: bool = True
    migrated: bool = True
    dies_after_commit: bool = False
    commits_unanswered: bool = False
    _locks: dict[Hashable, asyncio.Lock] = field(factory=dict)

    def table(self, name: str) -> dict[Hashable, Any]:
        """Its committed rows by key."""
        return self.tables.setdefault(name, {})

    def lock(self, key: Hashable) -> asyncio.Lock:
        """The lock of one row or unique value."""
        return self._locks.setdefault(key, asyncio.Lock())

    def check(self) -> None:
        """Raise what Postgres would, were it away or at another schema."""
        if not self.available:
            raise DatabaseUnavailable("The fake is switched off.")
        if not self.migrated:
            raise SchemaOutdated("The fake has no tables.")


@define(eq=False)
class FakeTransaction:
    """One transaction's view: what is committed, and its own writes above it."""

    database: FakeDatabase
    workspace_id: WorkspaceId | None
    jobs: list[QueuedJob] = field(factory=list)
    events: list[Any] = field(factory=list)
    _writes: dict[tuple[str, Hashable], Any] = field(factory=dict)  # None: deleted
    _held: dict[Hashable, asyncio.Lock] = field(factory=dict)
    _versions: dict[Hashable, int] = field(factory=dict)

    @property
    def written(self) -> set[str]:
        """Tables in which it wrote rows that are not committed yet."""
        return {table for table, _ in self._writes}

    def rows(self, table: str) -> Iterator[Any]:
        """Copies of the rows that it may see."""
        self.database.check()
        if table == SESSIONS and self.workspace_id is not None:
            raise PermissionError("login sessions belong to no workspace")
        for row in self._all(table):
            if self._may_see(table, row):
                yield _copy(row)

    def first(self, table: str, wanted: Callable[[Any], bool]) -> Any:
        """The first visible row that is wanted, else None."""
        return next((row for row in self.rows(table) if wanted(row)), None)

    async def lock(self, *key: Hashable) -> None:
        """Hold a row or a unique value until the transaction ends."""
        if key not in self._held:
            lock = self.database.lock(key)
            await lock.acquire()
            self._held[key] = lock

    def put(self, table: str, key: Hashable, row: Any) -> None:
        """Write a row; outside of the workspace it is bound to it may not."""
        self.database.check()
        if self.workspace_id is not None and _workspace_of(table, row) != self.workspace_id:
            raise PermissionError(f"{table} of another workspace")
        self._writes[table, key] = _copy(row)

    def put_shared(self, table: str, key: Hashable, row: Any) -> None:
        """Write a row that belongs to no workspace."""
        if self.workspace_id is not None:
            raise PermissionError(f"{table} belongs to no workspace")
        self.put(table, key, row)

    def delete(self, table: str, key: Hashable) -> None:
        """Remove a row."""
        self._writes[table, key] = None

    def wipe(self, workspace_id: WorkspaceId) -> None:
        """Remove a workspace and every row that belongs to it, as foreign keys do."""
        written = {place: row for place, row in self._writes.items() if row is not None}
        stored = {(table, key): row for table, rows in self.database.tables.items() for key, row in rows.items()}
        for (table, key), row in (stored | written).items():
            if table != ERASURES and _workspace_of(table, row) == workspace_id:
                self._writes[table, key] = None

    async def add(self, table: str, key: Hashable, row: Any, **unique: Hashable) -> None:
        """Write a new row unless it, or one with the same unique value, exists. `unique`: constraint → value."""
        await self.lock(table, key)
        for constraint, value in unique.items():
            await self.lock(constraint, value)
            if any(unique_values(table, other).get(constraint) == value for other in self._all(table)):
                raise AlreadyExists(f"{value} exists", constraint=constraint)
        if self._writes.get((table, key), self.database.table(table).get(key)) is not None:
            raise AlreadyExists(f"{key} exists", constraint=f"pk_{table}")
        self.put(table, key, row)

    async def save(self, table: str, row: Any, **unique: Hashable) -> None:
        """Write a versioned row over the version that was loaded."""
        await self.lock(table, row.id)
        stored = self.first(table, lambda other: bool(other.id == row.id))
        expected = self._versions.get(row.id, row.version - 1)
        if stored is None or stored.version != expected or row.version < expected:
            raise ConcurrentChange("changed meanwhile")
        for constraint, value in unique.items():
            await self.lock(constraint, value)
            if any(o.id != row.id and unique_values(table, o).get(constraint) == value for o in self._all(table)):
                raise AlreadyExists(f"{value} exists", constraint=constraint)
        self.put(table, row.id, row)
        self._versions[row.id] = row.version

    def saw(self, row: Row) -> Row:
        """Remember the version that was handed out."""
        versioned: Any = row
        if versioned is not None:
            self._versions[versioned.id] = versioned.version
        return row

    def apply(self) -> None:
        """Make its writes the truth for all."""
        self.database.check()
        for (table, key), row in self._writes.items():
            if row is None:
                self.database.table(table).pop(key, None)
            else:
                self.database.table(table)[key] = row
        self.database.jobs += self.jobs
        self._writes.clear()
        self.jobs.clear()
        self.release()

    def release(self) -> None:
        """Let others have what it held."""
        for lock in self._held.values():
            lock.release()
        self._held.clear()

    def _all(self, table: str) -> list[Any]:
        """Every row, whoever may see it: uniqueness knows no borders."""
        merged = self.database.table(table) | {key: row for (name, key), row in self._writes.items() if name == table}
        return [row for row in merged.values() if row is not None]

    def _may_see(self, table: str, row: Any) -> bool:
        if self.workspace_id is None or table == GENERATIONS:
            return True
        if table == USERS:
            return any(member.user_id == row.id for member in self.rows(MEMBERSHIPS))
        return bool(_workspace_of(table, row) == self.workspace_id)


def unique_values(table: str, row: Any) -> dict[str, Hashable]:
    """The unique values of a row by their constraint's name."""
    if table == USERS:
        return {"uq_users_email": row.email}
    if table == COLLECTIONS:
        return {"uq_collections_workspace_id_name": (row.workspace_id, row.name)}
    if table == DOCUMENTS and row.deleted_at is None:
        return {"uq_documents_collection_sha256": (row.collection_id, row.sha256)}
    if table == API_KEYS:
        return {"uq_api_keys_token_hash": row.token_hash}
    if table == ROOM_EVENTS:
        return {"uq_room_events_room_id_client_msg_id": (row.room_id, row.event.client_msg_id)}
    return {}


def _workspace_of(table: str, row: Any) -> Any:
    if table == WORKSPACES:
        return row.id
    return getattr(row, "workspace_id", None)


def _copy(row: Row) -> Row:
    """Rows are frozen; the one mutable thing in them is a document's metadata. Events are never stored."""
    if isinstance(row, Document):
        return evolve(row, metadata=dict(row.metadata), events=())
    return row

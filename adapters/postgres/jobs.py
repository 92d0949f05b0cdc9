"""Jobs in Postgres, written in the transaction that makes them necessary."""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import attrs
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver

from adapters.postgres.errors import translated
from adapters.postgres.queue_schema import queries_on
from adapters.postgres.session import Session
from application.ports.jobs import (
    AnyJob,
    BuildDocument,
    DescribeDocument,
    EraseDeleted,
    EraseDocument,
    EraseWorkspace,
    IngestDocument,
    ReconcileWorkspace,
    ReindexWorkspace,
    RemoveOldRevisions,
)

KINDS: Final[dict[str, Callable[..., AnyJob]]] = {
    "ingest_document": IngestDocument,
    "build_document": BuildDocument,
    "remove_old_revisions": RemoveOldRevisions,
    "erase_document": EraseDocument,
    "describe_document": DescribeDocument,
    "erase_workspace": EraseWorkspace,
    "erase_deleted": EraseDeleted,
    "reindex_workspace": ReindexWorkspace,
    "reconcile_workspace": ReconcileWorkspace,
}
_NAMES: dict[Callable[..., AnyJob], str] = {kind: name for name, kind in KINDS.items()}

# Of jobs of which one is enough, running or waiting: what makes two of them equal
_KEYS: Final[dict[type[AnyJob], tuple[str, ...]]] = {
    IngestDocument: ("ingest", "document_id", "revision"),
    BuildDocument: ("build", "document_id", "revision", "generation"),
    RemoveOldRevisions: ("remove_old", "document_id", "live_revision"),
    EraseDocument: ("erase", "document_id"),
    ReindexWorkspace: ("reindex", "workspace_id"),
    ReconcileWorkspace: ("reconcile", "workspace_id"),
}

# What readers wait for goes first; among files the small ones, so that a thousand pages do not hold up a memo.
_AT_ONCE = 100
_TENDING = 60
_SIZE_BANDS = ((256 * 1024, 50), (2 * 1024**2, 40), (16 * 1024**2, 30))  # (bytes, priority)
_LARGE = 20
_BUILDING = 10  # nobody waits for it: searches have the index before


class PostgresJobQueue:
    """Keeps the promises of `application.ports.jobs.JobQueue` on a unit of work's own connection."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def enqueue(self, jobs: Sequence[AnyJob], *, delay: timedelta | None = None) -> None:
        """Add them; one that would do again what a waiting or running one does is dropped."""
        if not jobs:
            return
        with translated():
            await queries_on(AsyncpgDriver(await self._session.transaction.driver())).enqueue(
                [_NAMES[type(job)] for job in jobs],
                [encode(job) for job in jobs],
                [priority(job) for job in jobs],
                [delay for _ in jobs],
                [dedupe_key(job) for job in jobs],
                [{"flow": str(job.workspace_id)} for job in jobs],
                on_conflict="skip",
            )


def encode(job: AnyJob) -> bytes:
    """A job as JSON."""
    return json.dumps(attrs.asdict(job, value_serializer=_plain)).encode()


def decode(name: str, payload: bytes) -> AnyJob:
    """A job from its kind's name and its JSON; `ValueError` for a kind of another version."""
    kind = KINDS.get(name)
    if kind is None:
        raise ValueError(f"no such kind of job: {name}")
    values: dict[str, Any] = json.loads(payload)
    return kind(**{key: UUID(value) if key.endswith("_id") else value for key, value in values.items()})


def priority(job: AnyJob) -> int:
    """Higher goes first."""
    if isinstance(job, ReindexWorkspace | ReconcileWorkspace):
        return _TENDING
    if isinstance(job, BuildDocument):
        return _BUILDING
    if not isinstance(job, IngestDocument):
        return _AT_ONCE
    return next((rank for limit, rank in _SIZE_BANDS if job.size <= limit), _LARGE)


def dedupe_key(job: AnyJob) -> str | None:
    """Equal for jobs of which one is enough, running or waiting.

    None where one that runs already may have read the rows before the change that asks for another.
    """
    if type(job) not in _KEYS:
        return None
    prefix, *fields = _KEYS[type(job)]
    return "/".join((prefix, *(str(getattr(job, field)) for field in fields)))


def _plain(_instance: object, _attribute: object, value: Any) -> Any:
    return str(value) if isinstance(value, UUID) else value

"""Work that follows from a change, done later and surely."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from attrs import frozen

from domain.ids import DocumentId, WorkspaceId


@frozen(kw_only=True)
class Job:
    """Base of all jobs. Every job may run twice, at the same time too, and must leave the same state."""

    workspace_id: WorkspaceId


@frozen(kw_only=True)
class IngestDocument(Job):
    """Read, cut, embed and index one revision. `size` (bytes) lets small ones go first."""

    document_id: DocumentId
    revision: int
    size: int


@frozen(kw_only=True)
class RemoveOldRevisions(Job):
    """Take everything older than the live revision out of index, database and file store."""

    document_id: DocumentId
    live_revision: int


@frozen(kw_only=True)
class EraseDocument(Job):
    """Take a deleted document out of index, database, file store and caches."""

    document_id: DocumentId


@frozen(kw_only=True)
class DescribeDocument(Job):
    """Bring the index's payload in line with the document's row."""

    document_id: DocumentId


@frozen(kw_only=True)
class EraseDeleted(Job):
    """Erase every document of the workspace that is deleted by now."""


@frozen(kw_only=True)
class ReindexWorkspace(Job):
    """Queue every document of the workspace for another reading."""


@frozen(kw_only=True)
class ReconcileWorkspace(Job):
    """Compare what the stores hold of the workspace, and mend it."""


@frozen(kw_only=True)
class EraseWorkspace(Job):
    """Take a deleted workspace out of index, database and file store. Never dropped for an equal one."""


@frozen(kw_only=True)
class BuildDocument(Job):
    """Bring a live revision into the generation of the index that is being built."""

    document_id: DocumentId
    revision: int
    generation: int


AnyJob = (
    IngestDocument
    | BuildDocument
    | RemoveOldRevisions
    | EraseDocument
    | DescribeDocument
    | EraseWorkspace
    | EraseDeleted
    | ReindexWorkspace
    | ReconcileWorkspace
)


class JobQueue(Protocol):
    """The writing side, part of a unit of work: jobs exist if and only if its transaction commits."""

    async def enqueue(self, jobs: Sequence[AnyJob], *, delay: timedelta | None = None) -> None:
        """Add them. A job equal to one waiting or running may be dropped where doing it once is enough.

        Not so a description, and an erasure of all that is deleted: they are always done after the change that asked
        for them.
        """
        ...

"""What follows from what: domain event → jobs. The one table, written with the change itself."""

from collections.abc import Callable, Iterable
from typing import Any

from application.ports.jobs import AnyJob, DescribeDocument, EraseDocument, IngestDocument, RemoveOldRevisions
from domain.events import (
    DocumentDeleted,
    DocumentMoved,
    DocumentReindexRequested,
    DocumentUploaded,
    Event,
    RevisionReplaced,
)


def _ingest(event: DocumentUploaded | DocumentReindexRequested) -> AnyJob:
    return IngestDocument(
        workspace_id=event.workspace_id, document_id=event.document_id, revision=event.revision, size=event.size
    )


REACTIONS: dict[type[Event], Callable[[Any], AnyJob]] = {
    DocumentUploaded: _ingest,
    DocumentReindexRequested: _ingest,
    RevisionReplaced: lambda e: RemoveOldRevisions(
        workspace_id=e.workspace_id, document_id=e.document_id, live_revision=e.live_revision
    ),
    DocumentDeleted: lambda e: EraseDocument(workspace_id=e.workspace_id, document_id=e.document_id),
    DocumentMoved: lambda e: DescribeDocument(workspace_id=e.workspace_id, document_id=e.document_id),
}


def jobs_for(events: Iterable[Event]) -> list[AnyJob]:
    """The jobs that follow, in order; events that nobody reacts to give none."""
    return [REACTIONS[type(event)](event) for event in events if type(event) in REACTIONS]

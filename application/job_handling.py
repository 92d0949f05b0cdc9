"""Which use case does which job."""

from attrs import frozen

from application.building import Build
from application.erasure import Erase
from application.errors import EmbedderUnavailable, VectorsUnavailable
from application.ingestion import Describe, Ingest, RemoveOld, settle
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
from application.reconciling import Reconcile
from application.reindexing import QueueReindex
from application.rooms_documents import TellRooms
from application.workspace_erasure import EraseRemains
from domain.documents import Document, Failure, FailureCode, Stage


@frozen(kw_only=True)
class HandleJob:
    """Every kind of job to its use case, and what to do when one is given up."""

    ingest: Ingest
    build: Build
    remove_old: RemoveOld
    erase: Erase
    describe: Describe
    reindex: QueueReindex
    reconcile: Reconcile
    erase_workspace: EraseRemains
    tell_rooms: TellRooms

    async def __call__(self, job: AnyJob) -> None:
        """Do it; what is raised is for the queue to try again."""
        match job:
            case IngestDocument():
                await self.ingest(job)
                await self.tell_rooms(job.workspace_id, job.document_id)
            case BuildDocument():
                await self.build(job)
            case RemoveOldRevisions():
                await self.remove_old(job)
            case EraseDocument():
                await self.tell_rooms(job.workspace_id, job.document_id)
                await self.erase(job)
            case EraseDeleted():
                await self.erase(job)
            case DescribeDocument():
                await self.describe(job)
            case ReindexWorkspace():
                await self.reindex(job)
            case EraseWorkspace():
                await self.erase_workspace(job)
            case ReconcileWorkspace():
                await self.reconcile(job.workspace_id, repair=True)

    async def give_up(self, job: AnyJob, error: Exception) -> None:
        """After the last attempt: an ingest ends as failed with a reason; the others are left to the reconciler."""
        if isinstance(job, IngestDocument):
            now = self.ingest.clock.now()
            await settle(self.ingest.begin, job, lambda document: document.failed(_reason(document, error), now))
            await self.ingest.news.tell(job.document_id)
            await self.tell_rooms(job.workspace_id, job.document_id)


def _reason(document: Document, error: Exception) -> Failure:
    if isinstance(error, EmbedderUnavailable):
        code, what = FailureCode.EMBEDDING_FAILED, "the embedding model did not answer"
    elif isinstance(error, VectorsUnavailable):
        code, what = FailureCode.INDEXING_FAILED, "the vector index did not answer"
    elif document.stage is Stage.EMBEDDING:
        code, what = FailureCode.EMBEDDING_FAILED, "embedding its text failed"
    elif document.stage is Stage.INDEXING:
        code, what = FailureCode.INDEXING_FAILED, "storing its passages failed"
    else:
        code, what = FailureCode.PARSE_FAILED, "reading it failed"
    return Failure(code=code, message=f"Given up after several attempts: {what}. Reindex it to try again.")

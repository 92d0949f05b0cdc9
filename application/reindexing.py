"""Reading again what was read before."""

from typing import Final

from attrs import frozen

from application.auditing import note
from application.documents import readable_document
from application.errors import ConcurrentChange
from application.ports.jobs import ReindexWorkspace
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from application.retrying import until_first
from domain.access import Action, Actor
from domain.audit import Deed
from domain.documents import Document, DocumentStatus
from domain.ids import DocumentId, WorkspaceId

BATCH: Final = 100  # documents queued in one transaction
SETTLED: Final = frozenset({DocumentStatus.READY, DocumentStatus.FAILED})


@frozen(kw_only=True)
class ReindexDocument:
    """Read the same bytes again, also after a failure; what is live stays until the new reading is ready."""

    begin: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, actor: Actor, *, document_id: DocumentId) -> Document:
        """`NotFound` when it does not exist for this actor."""
        actor.require(Action.DOCUMENT_WRITE)

        async def queue() -> Document:
            async with self.begin(actor.workspace_id) as work:
                document = (await readable_document(work, actor, document_id)).reindexed(self.clock.now())
                await work.documents.save(document)
                await note(work, Deed.DOCUMENT_REINDEXED, document.id, by=actor)
                await work.commit()
            return document

        return await until_first(queue)


@frozen(kw_only=True)
class ReindexAll:
    """Read every document of the workspace again; what is live stays until its new reading is ready."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor) -> None:
        """Only asked for here: a job queues the documents, a few at a time."""
        actor.require(Action.COLLECTION_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            await work.jobs.enqueue([ReindexWorkspace(workspace_id=actor.workspace_id)])
            await note(work, Deed.WORKSPACE_REINDEXED, actor.workspace_id, by=actor)
            await work.commit()


@frozen(kw_only=True)
class QueueReindex:
    """Queue all documents of a workspace for another reading; those being read already are left alone."""

    begin: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, job: ReindexWorkspace) -> None:
        """A second run takes up what the first one did not come to."""
        after: DocumentId | None = None
        while True:
            async with self.begin(job.workspace_id) as work:
                states = await work.documents.inventory(job.workspace_id, limit=BATCH, after=after)
            for state in states:
                if state.status in SETTLED and not state.is_deleted:
                    await reindex(self.begin, job.workspace_id, state.id, self.clock)
            if len(states) < BATCH:
                return
            after = states[-1].id


async def reindex(begin: UnitOfWorkFactory, workspace_id: WorkspaceId, document_id: DocumentId, clock: Clock) -> bool:
    """Queue a document for another reading, unless it is gone, being read, or changed at this moment."""
    try:
        async with begin(workspace_id) as work:
            document = await work.documents.get(document_id)
            if document is None or document.is_deleted or document.status not in SETTLED:
                return False
            await work.documents.save(document.reindexed(clock.now()))
            await work.commit()
    except ConcurrentChange:
        return False
    return True

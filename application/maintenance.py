"""What keeps the promise that no document stays queued or processing for ever."""

from datetime import timedelta

from attrs import frozen

from application.ports.jobs import AnyJob, IngestDocument
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory


@frozen(kw_only=True)
class RequeueUnfinished:
    """Give documents that nobody works on a job again.

    Jobs commit with their documents, so this finds something only after an operator emptied the queue, a restore
    from a backup, or a defect: it is the second net.
    """

    begin: UnitOfWorkFactory
    clock: Clock
    idle: timedelta = timedelta(minutes=15)
    batch: int = 500

    async def __call__(self) -> int:
        """How many were queued again; equal jobs still waiting are not doubled."""
        async with self.begin(None) as work:
            documents = await work.documents.unfinished(idle_since=self.clock.now() - self.idle, limit=self.batch)
            jobs: list[AnyJob] = [
                IngestDocument(
                    workspace_id=document.workspace_id,
                    document_id=document.id,
                    revision=document.revision,
                    size=document.size,
                )
                for document in documents
            ]
            if jobs:
                await work.jobs.enqueue(jobs)
                await work.commit()
        return len(jobs)

"""What keeps the promise that no document stays queued or processing for ever, and that the stores agree."""

from datetime import timedelta
from typing import Final

from attrs import frozen

from application.ports.jobs import AnyJob, IngestDocument, ReconcileWorkspace
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory

RECONCILE_EVERY: Final = timedelta(hours=1)


@frozen(kw_only=True)
class RequeueUnfinished:
    """Give documents that nobody works on a job again.

    Jobs commit with their documents, so this finds something only after an operator emptied the queue, a restore
    from a backup, or a defect: it is the second net.
    """

    begin: UnitOfWorkFactory
    clock: Clock
    idle: timedelta = timedelta(minutes=1)
    batch: int = 500

    async def __call__(self, *, repair: bool = True) -> int:
        """How many have no job; `repair` gives them one. Equal jobs are not doubled."""
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
            if jobs and repair:
                await work.jobs.enqueue(jobs)
                await work.commit()
        return len(jobs)


@frozen(kw_only=True)
class ScheduleReconciling:
    """Ask for a comparison of each workspace's stores, once in a while.

    However many workers ask, one such job waits for each workspace.
    """

    begin: UnitOfWorkFactory
    every: timedelta = RECONCILE_EVERY

    async def __call__(self) -> None:
        """One job for each workspace, due after `every`."""
        async with self.begin(None) as work:
            workspaces = await work.workspaces.all_ids()
            jobs: list[AnyJob] = [ReconcileWorkspace(workspace_id=workspace_id) for workspace_id in workspaces]
            await work.jobs.enqueue(jobs, delay=self.every)
            await work.commit()

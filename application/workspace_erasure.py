"""What is left of a deleted workspace is taken away."""

from datetime import timedelta
from typing import Final

from attrs import frozen

from application.auditing import note
from application.erasure import Erase
from application.generations import Generations
from application.ports.files import FileStore
from application.ports.jobs import EraseDeleted, EraseWorkspace
from application.ports.system import Clock, Log
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.audit import Deed
from domain.ids import CollectionId, WorkspaceId

BATCH: Final = 50  # collections
AGAIN: Final = timedelta(minutes=15)  # longer than any ingestion that was running goes on


@frozen(kw_only=True)
class EraseRemains:
    """Take a deleted workspace out of index, file store, caches and database; its row goes last.

    An ingestion that runs meanwhile may still write vectors or files. Once the rows are gone it cannot finish, and a
    second pass some time later takes what it left.
    """

    begin: UnitOfWorkFactory
    erase: Erase
    files: FileStore
    generations: Generations
    clock: Clock
    log: Log

    async def __call__(self, job: EraseWorkspace) -> None:
        """A workspace that is not deleted is left alone; one that is gone already is erased once more."""
        async with self.begin(None) as work:
            workspace = await work.workspaces.get(job.workspace_id)
        if workspace is not None and workspace.deleted_at is None:
            return
        if workspace is not None:
            await self._delete_documents(workspace.id)
        await self.erase(EraseDeleted(workspace_id=job.workspace_id))
        stray = 0
        for index in await self.generations.all():
            indexed = {revision.document_id for revision in await index.vectors.revisions(job.workspace_id)}
            await index.vectors.delete_documents(job.workspace_id, sorted(indexed))
            stray += len(indexed)
        files = await self.files.delete(str(job.workspace_id))
        async with self.begin(None) as work:
            if was_there := await work.workspaces.forget(job.workspace_id):
                await work.jobs.enqueue([job], delay=AGAIN)
                await note(work, Deed.WORKSPACE_ERASED, job.workspace_id, by=None, workspace_id=job.workspace_id)
            await work.commit()
        self.log.info(
            "workspace_erased",
            workspace_id=str(job.workspace_id),
            stray_vectors=stray,
            stray_files=files,
            rows=was_there,
        )

    async def _delete_documents(self, workspace_id: WorkspaceId) -> None:
        """A tombstone for each document, so that they are erased like any other, with their receipts."""
        after: CollectionId | None = None
        while True:
            async with self.begin(workspace_id) as work:
                page = await work.collections.page(workspace_id, limit=BATCH, after=after)
                if not page:
                    return
                general = await work.collections.default(workspace_id)
                for collection in page:
                    await work.documents.delete_all(collection.id, moved_to=general.id, now=self.clock.now())
                await work.commit()
            after = page[-1].id

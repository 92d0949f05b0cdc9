"""Erasing what was deleted, from every store, with a receipt."""

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from application.generations import Generations
from application.ports.files import FileStore
from application.ports.jobs import EraseDeleted, EraseDocument
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Action, Actor
from domain.documents import Document
from domain.erasure import Erasure
from domain.errors import NotFound
from domain.ids import ChunkId, DocumentId, WorkspaceId
from domain.titles import below_title

BATCH: Final = 500  # documents erased together: one request to the index, one transaction
TEXTS: Final = 1000  # passages forgotten together


@frozen(kw_only=True)
class Erase:
    """Take deleted documents out of index, file store, caches and database; their rows go last.

    Whatever else of the workspace waits to be erased goes along, so that ten thousand deletions take seconds. A crash
    leaves the row, and with it the work, to the next run.
    """

    begin: UnitOfWorkFactory
    files: FileStore
    generations: Generations
    clock: Clock

    async def __call__(self, job: EraseDocument | EraseDeleted) -> None:
        """A document that is not deleted is left alone; one without a row is swept once more."""
        if isinstance(job, EraseDocument):
            async with self.begin(job.workspace_id) as work:
                document = await work.documents.get(job.document_id)
                receipt = await work.erasures.get(job.document_id)
            if document is None and receipt is None:
                await self._sweep(job.workspace_id, [job.document_id])
            if document is None or not document.is_deleted:
                return
        while await self._erase(job.workspace_id) == BATCH:
            pass

    async def _erase(self, workspace_id: WorkspaceId) -> int:
        """One batch; how many went."""
        async with self.begin(workspace_id) as work:
            documents = await work.documents.tombstones(workspace_id, limit=BATCH)
        if not documents:
            return 0
        ids = [document.id for document in documents]
        await self._forget_vectors(workspace_id, ids)
        vectors_at = self.clock.now()
        for document_id in ids:
            await self.files.delete(f"{workspace_id}/{document_id}")
        files_at = self.clock.now()
        await self._forget_embeddings(workspace_id, documents)
        caches_at = self.clock.now()
        async with self.begin(workspace_id) as work:
            await work.passages.remove_all(ids)
            await work.documents.forget(ids)
            now = self.clock.now()
            await work.erasures.add(
                [
                    Erasure(
                        document_id=document.id,
                        workspace_id=workspace_id,
                        deleted_at=document.deleted_at or now,
                        vectors_at=vectors_at,
                        files_at=files_at,
                        caches_at=caches_at,
                        chunks_at=now,
                    )
                    for document in documents
                ]
            )
            await work.commit()
        return len(documents)

    async def _forget_embeddings(self, workspace_id: WorkspaceId, documents: Sequence[Document]) -> None:
        indexes = await self.generations.all()
        titles = {document.id: document.spoken_title for document in documents}
        after: ChunkId | None = None
        while True:
            async with self.begin(workspace_id) as work:
                chunks = await work.passages.of_documents(list(titles), limit=TEXTS, after=after)
            plain = [chunk.text_to_embed for chunk in chunks]
            titled = [below_title(titles[chunk.document_id], chunk.text_to_embed) for chunk in chunks]
            for index in indexes:
                await index.embeddings.forget([*plain, *titled])
            if len(chunks) < TEXTS:
                return
            after = chunks[-1].id

    async def _sweep(self, workspace_id: WorkspaceId, ids: Sequence[DocumentId]) -> None:
        await self._forget_vectors(workspace_id, ids)
        for document_id in ids:
            await self.files.delete(f"{workspace_id}/{document_id}")

    async def _forget_vectors(self, workspace_id: WorkspaceId, ids: Sequence[DocumentId]) -> None:
        for index in await self.generations.all():
            await index.vectors.delete_documents(workspace_id, ids)


@frozen(kw_only=True)
class ShowErasure:
    """The receipt of a deleted document: when its vectors, files, caches and passages were gone.

    - For admins, since it outlives the document and the collection that guarded it.
    """

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, document_id: DocumentId) -> Erasure:
        """`NotFound` while the document is there, or its erasure is under way."""
        actor.require(Action.COLLECTION_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            erasure = await work.erasures.get(document_id)
        if erasure is None:
            raise NotFound("There is no receipt for such a document: it is there, or being erased.")
        return erasure

"""Deleting: a tombstone now, the erasure soon after."""

from functools import partial

from attrs import frozen

from application.auditing import note
from application.documents import check_version, readable_collection, readable_document
from application.ports.jobs import EraseDeleted
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from application.retrying import until_first
from domain.access import Action, Actor
from domain.audit import Deed
from domain.errors import Conflict
from domain.ids import CollectionId, DocumentId


@frozen(kw_only=True)
class DeleteDocument:
    """Delete: from the answer on it is in no list, search or answer; its bytes and vectors follow."""

    begin: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, actor: Actor, *, document_id: DocumentId, version: int | None = None) -> None:
        """`NotFound` when it does not exist for this actor, also the second time."""
        actor.require(Action.DOCUMENT_WRITE)

        async def delete() -> None:
            async with self.begin(actor.workspace_id) as work:
                document = await readable_document(work, actor, document_id)
                check_version(document.version, version)
                await work.documents.save(document.deleted(self.clock.now()))
                await note(work, Deed.DOCUMENT_DELETED, document.id, by=actor)
                await work.commit()

        await until_first(delete)


@frozen(kw_only=True)
class DeleteCollection:
    """Delete a collection with all its documents: both are gone from the answer on, bytes and vectors follow.

    - General stays: every workspace has it.
    - It is one transaction, however many documents there are.
    """

    begin: UnitOfWorkFactory
    clock: Clock

    async def __call__(self, actor: Actor, *, collection_id: CollectionId, version: int | None = None) -> int:
        """How many documents went. `NotFound`, `StaleVersion`, or `Conflict` with code `default_collection`."""
        actor.require(Action.COLLECTION_MANAGE)
        return await until_first(partial(self._delete, actor, collection_id, version))  # uploads may go there meanwhile

    async def _delete(self, actor: Actor, collection_id: CollectionId, version: int | None) -> int:
        async with self.begin(actor.workspace_id) as work:
            collection = await readable_collection(work, actor, collection_id)
            check_version(collection.version, version)
            if collection.is_default:
                raise Conflict(f"{collection.name} belongs to the workspace and stays.", code="default_collection")
            general = await work.collections.default(actor.workspace_id)
            count = await work.documents.delete_all(collection_id, moved_to=general.id, now=self.clock.now())
            await work.collections.remove(collection_id)
            if count:
                await work.jobs.enqueue([EraseDeleted(workspace_id=actor.workspace_id)])
            await note(work, Deed.COLLECTION_DELETED, collection_id, by=actor)
            await work.commit()
        return count

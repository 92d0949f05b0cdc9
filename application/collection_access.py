"""Who is listed to read a restricted collection."""

from attrs import frozen

from application.auditing import note
from application.documents import readable_collection
from application.ports.access import AccessChanges
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Action, Actor
from domain.audit import Deed
from domain.errors import NotFound
from domain.ids import CollectionId, UserId


@frozen(kw_only=True)
class ListReader:
    """List a member for a collection: they see it while it is restricted. Doing it twice is no error."""

    begin: UnitOfWorkFactory
    changes: AccessChanges

    async def __call__(self, actor: Actor, *, collection_id: CollectionId, user_id: UserId) -> None:
        """`NotFound` for a collection that does not exist for this actor, or somebody who is no member."""
        actor.require(Action.COLLECTION_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            collection = await readable_collection(work, actor, collection_id)
            if await work.workspaces.membership(actor.workspace_id, user_id) is None:
                raise NotFound("There is no such member.")
            await work.collections.let_read(collection, user_id)
            await note(work, Deed.COLLECTION_CHANGED, collection.id, by=actor)
            await work.commit()
        await self.changes.announce(user_id)


@frozen(kw_only=True)
class UnlistReader:
    """Take a member off a collection's list; while it is restricted it is gone for them at once."""

    begin: UnitOfWorkFactory
    changes: AccessChanges

    async def __call__(self, actor: Actor, *, collection_id: CollectionId, user_id: UserId) -> None:
        """`NotFound` for a collection that does not exist for this actor; somebody who is not listed is no error."""
        actor.require(Action.COLLECTION_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            collection = await readable_collection(work, actor, collection_id)
            await work.collections.stop_reading(collection, user_id)
            await note(work, Deed.COLLECTION_CHANGED, collection.id, by=actor)
            await work.commit()
        await self.changes.announce(user_id)

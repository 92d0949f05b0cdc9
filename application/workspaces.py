"""Workspaces and the collections in them."""

from typing import ClassVar

from attrs import frozen

from application.auditing import note
from application.authentication import Identity, found_workspace
from application.documents import check_version, readable_collection
from application.errors import AlreadyExists
from application.ports.access import AccessChanges
from application.ports.repositories import WorkspaceOfUser
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.access import Action, Actor, Role
from domain.audit import Deed
from domain.errors import Conflict, InvalidInput, NotFound
from domain.ids import CollectionId, WorkspaceId
from domain.workspaces import Collection, Visibility, Workspace, check_name

MAX_DESCRIPTION_LENGTH = 2000


def check_description(description: str) -> str:
    """A trimmed text of at most 2,000 characters without NUL; else `InvalidInput`."""
    cleaned = description.strip()
    if len(cleaned) > MAX_DESCRIPTION_LENGTH or "\0" in cleaned:
        raise InvalidInput(f"A description has at most {MAX_DESCRIPTION_LENGTH} characters.", pointer="/description")
    return cleaned


@frozen(kw_only=True)
class CreateWorkspace:
    """A further workspace, owned by whoever makes it, with the collection `General`."""

    begin: UnitOfWorkFactory
    changes: AccessChanges
    clock: Clock
    ids: Ids

    async def __call__(self, identity: Identity, *, name: str) -> WorkspaceOfUser:
        """`InvalidInput` for a name that is none."""
        identity.require_person()
        workspace = Workspace(id=WorkspaceId(self.ids.new()), name=check_name(name), created_at=self.clock.now())
        async with self.begin(None) as work:
            await found_workspace(work, workspace, owner=identity.user_id, collection_id=CollectionId(self.ids.new()))
            await note(work, Deed.WORKSPACE_CREATED, workspace.id, by=identity, workspace_id=workspace.id)
            made = WorkspaceOfUser(workspace=workspace, role=Role.OWNER)
            await work.commit(made)
        await self.changes.announce(identity.user_id)
        return made


@frozen(kw_only=True)
class ShowWorkspace:
    """The workspace that the actor is in."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor) -> WorkspaceOfUser:
        """`NotFound` when it is gone."""
        actor.require(Action.WORKSPACE_READ)
        async with self.begin(actor.workspace_id) as work:
            return WorkspaceOfUser(workspace=await _present(work, actor), role=actor.role)


@frozen(kw_only=True)
class RenameWorkspace:
    """Another name for the workspace."""

    begin: UnitOfWorkFactory
    changes: AccessChanges

    async def __call__(self, actor: Actor, *, name: str, version: int | None = None) -> WorkspaceOfUser:
        """`InvalidInput`, or `StaleVersion` when `version` is not the present one."""
        actor.require(Action.WORKSPACE_CHANGE)
        async with self.begin(actor.workspace_id) as work:
            workspace = await _present(work, actor)
            check_version(workspace.version, version)
            workspace = workspace.renamed(name)
            await work.workspaces.save(workspace)
            await note(work, Deed.WORKSPACE_CHANGED, workspace.id, by=actor)
            await work.commit()
        await self.changes.announce(workspace.id)
        return WorkspaceOfUser(workspace=workspace, role=actor.role)


async def _present(work: UnitOfWork, actor: Actor) -> Workspace:
    workspace = await work.workspaces.get(actor.workspace_id)
    if workspace is None:
        raise NotFound("There is no such workspace, or you are not a member of it.")
    return workspace


@frozen(kw_only=True)
class CollectionWithCount:
    """A collection and how many documents are in it."""

    collection: Collection
    document_count: int


@frozen(kw_only=True)
class CreateCollection:
    """A new group of documents.

    - A name is taken only once in a workspace.
    - Only admins make restricted ones.
    """

    begin: UnitOfWorkFactory
    changes: AccessChanges
    clock: Clock
    ids: Ids

    async def __call__(
        self, actor: Actor, *, name: str, description: str = "", visibility: Visibility = Visibility.WORKSPACE
    ) -> CollectionWithCount:
        """`InvalidInput`, `Forbidden`, or `Conflict` with code `name_taken`."""
        actor.require(Action.COLLECTION_CREATE)
        if visibility is Visibility.RESTRICTED:
            actor.require(Action.COLLECTION_MANAGE)
        collection = Collection(
            id=CollectionId(self.ids.new()),
            workspace_id=actor.workspace_id,
            name=check_name(name),
            description=check_description(description),
            visibility=visibility,
            created_at=self.clock.now(),
        )
        made = CollectionWithCount(collection=collection, document_count=0)
        async with self.begin(actor.workspace_id) as work:
            try:
                await work.collections.add(collection)
                await note(work, Deed.COLLECTION_CREATED, collection.id, by=actor)
                await work.commit(made)
            except AlreadyExists as error:
                raise _name_taken() from error
        await self.changes.announce(actor.workspace_id)
        return made


@frozen(kw_only=True)
class ListCollections:
    """The collections that the actor may read, oldest first."""

    asks: ClassVar = Action.COLLECTION_READ
    begin: UnitOfWorkFactory

    async def __call__(
        self, actor: Actor, *, limit: int, after: CollectionId | None = None
    ) -> list[CollectionWithCount]:
        """At most `limit`, after the one named."""
        actor.require(self.asks)
        readable: list[Collection] = []
        async with self.begin(actor.workspace_id) as work:
            while len(readable) < limit:
                page = await work.collections.page(actor.workspace_id, limit=limit, after=after)
                readable += [collection for collection in page if actor.can_read(collection.id)]
                if len(page) < limit:
                    break
                after = page[-1].id
            return await _counted(work, readable[:limit])


@frozen(kw_only=True)
class ShowCollection:
    """One collection."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, collection_id: CollectionId) -> CollectionWithCount:
        """`NotFound` when it does not exist for this actor."""
        actor.require(Action.COLLECTION_READ)
        async with self.begin(actor.workspace_id) as work:
            [shown] = await _counted(work, [await readable_collection(work, actor, collection_id)])
        return shown


@frozen(kw_only=True)
class FindCollection:
    """A collection by its name, as people type it."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, name: str) -> Collection:
        """`NotFound` when none that the actor may read has exactly this name."""
        actor.require(Action.COLLECTION_READ)
        async with self.begin(actor.workspace_id) as work:
            collection = await work.collections.by_name(actor.workspace_id, name)
        if collection is None or not actor.can_read(collection.id):
            raise NotFound(f"There is no collection called {name!r}.")
        return collection


@frozen(kw_only=True)
class ChangeCollection:
    """Another name, description or visibility; General stays open to every member."""

    begin: UnitOfWorkFactory
    changes: AccessChanges

    async def __call__(
        self,
        actor: Actor,
        *,
        collection_id: CollectionId,
        name: str | None = None,
        description: str | None = None,
        visibility: Visibility | None = None,
        version: int | None = None,
    ) -> CollectionWithCount:
        """`NotFound`, `InvalidInput`, `Conflict`, or `StaleVersion` when `version` is not the present one."""
        actor.require(Action.COLLECTION_MANAGE)
        async with self.begin(actor.workspace_id) as work:
            collection = await readable_collection(work, actor, collection_id)
            check_version(collection.version, version)
            collection = collection.changed(
                name=name,
                description=None if description is None else check_description(description),
                visibility=visibility,
            )
            try:
                await work.collections.save(collection)
                await note(work, Deed.COLLECTION_CHANGED, collection.id, by=actor)
                [shown] = await _counted(work, [collection])
                await work.commit()
            except AlreadyExists as error:
                raise _name_taken() from error
        await self.changes.announce(actor.workspace_id)
        return shown


async def _counted(work: UnitOfWork, collections: list[Collection]) -> list[CollectionWithCount]:
    counts = await work.collections.document_counts([collection.id for collection in collections])
    return [
        CollectionWithCount(collection=collection, document_count=counts.get(collection.id, 0))
        for collection in collections
    ]


def _name_taken() -> Conflict:
    return Conflict("A collection with this name exists.", code="name_taken", pointer="/name")

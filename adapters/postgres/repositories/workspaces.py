"""Workspaces, memberships and collections."""

from collections.abc import Sequence

from sqlalchemy import delete, func, insert, or_, select
from sqlalchemy.dialects import postgresql

from adapters.postgres.mapping import (
    collection_from,
    collection_values,
    membership_from,
    membership_values,
    workspace_from,
    workspace_values,
)
from adapters.postgres.session import Session, after_key, one_of
from adapters.postgres.tables import (
    PK_MEMBERSHIPS,
    UQ_COLLECTIONS_NAME,
    collection_members,
    collections,
    documents,
    memberships,
    users,
    workspaces,
)
from application.errors import AlreadyExists
from application.ports.repositories import OwnedWorkspace, WorkspaceOfUser
from domain.access import Role
from domain.ids import CollectionId, UserId, WorkspaceId
from domain.workspaces import Collection, Membership, Visibility, Workspace


class PostgresWorkspaces:
    """Keeps the promises of `application.ports.repositories.Workspaces`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, workspace_id: WorkspaceId) -> Workspace | None:
        """By id."""
        row = await self._session.one(select(workspaces).where(workspaces.c.id == workspace_id))
        return self._seen(workspace_from(row)) if row else None

    async def add(self, workspace: Workspace) -> None:
        """A new one."""
        await self._session.execute(insert(workspaces).values(workspace_values(workspace)))
        self._seen(workspace)

    async def save(self, workspace: Workspace) -> None:
        """The present state."""
        await self._session.save(workspaces, workspace_values(workspace))

    async def of_user(self, user_id: UserId) -> list[WorkspaceOfUser]:
        """All they belong to, oldest membership first."""
        rows = await self._session.all(
            select(workspaces, memberships.c.role)
            .join(memberships, memberships.c.workspace_id == workspaces.c.id)
            .where(memberships.c.user_id == user_id)
            .order_by(memberships.c.joined_at, workspaces.c.id)
        )
        return [WorkspaceOfUser(workspace=self._seen(workspace_from(row)), role=Role(row["role"])) for row in rows]

    async def owned(self, *, limit: int = 1000) -> list[OwnedWorkspace]:
        """Every workspace with an active owner, oldest first, each with its longest-standing one."""
        owners = (
            select(memberships.c.workspace_id, memberships.c.user_id)
            .ext(postgresql.distinct_on(memberships.c.workspace_id))
            .join(users, users.c.id == memberships.c.user_id)
            .where(memberships.c.role == int(Role.OWNER), users.c.disabled_at.is_(None))
            .order_by(memberships.c.workspace_id, memberships.c.joined_at, memberships.c.user_id)
            .subquery()
        )
        rows = await self._session.all(
            select(workspaces, owners.c.user_id)
            .join(owners, owners.c.workspace_id == workspaces.c.id)
            .order_by(workspaces.c.created_at, workspaces.c.id)
            .limit(limit)
        )
        return [OwnedWorkspace(workspace=self._seen(workspace_from(row)), owner=row["user_id"]) for row in rows]

    async def all_ids(self) -> list[WorkspaceId]:
        """Every workspace."""
        return [row["id"] for row in await self._session.all(select(workspaces.c.id).order_by(workspaces.c.id))]

    async def membership(self, workspace_id: WorkspaceId, user_id: UserId) -> Membership | None:
        """Their place in it."""
        row = await self._session.one(
            select(memberships).where(memberships.c.workspace_id == workspace_id, memberships.c.user_id == user_id)
        )
        return membership_from(row) if row else None

    async def add_member(self, membership: Membership) -> None:
        """A new place; the transaction stays usable when they have one."""
        added = await self._session.execute(
            postgresql.insert(memberships)
            .values(membership_values(membership))
            .on_conflict_do_nothing(constraint=PK_MEMBERSHIPS)
        )
        if not added.rowcount:
            raise AlreadyExists("They belong to the workspace already.", constraint=PK_MEMBERSHIPS)

    def _seen(self, workspace: Workspace) -> Workspace:
        self._session.saw(workspace.id, workspace.version)
        return workspace


class PostgresCollections:
    """Keeps the promises of `application.ports.repositories.Collections`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, collection_id: CollectionId) -> Collection | None:
        """By id."""
        row = await self._session.one(select(collections).where(collections.c.id == collection_id))
        return self._seen(collection_from(row)) if row else None

    async def by_name(self, workspace_id: WorkspaceId, name: str) -> Collection | None:
        """By exact name."""
        row = await self._session.one(
            select(collections).where(collections.c.workspace_id == workspace_id, collections.c.name == name)
        )
        return self._seen(collection_from(row)) if row else None

    async def default(self, workspace_id: WorkspaceId) -> Collection:
        """The collection that every workspace has; `LookupError` where the workspace itself is missing."""
        row = await self._session.one(
            select(collections).where(collections.c.workspace_id == workspace_id, collections.c.is_default)
        )
        if row is None:
            raise LookupError(f"workspace {workspace_id} has no default collection")
        return self._seen(collection_from(row))

    async def add(self, collection: Collection) -> None:
        """A new one; the transaction stays usable when the name is taken."""
        added = await self._session.execute(
            postgresql.insert(collections)
            .values(collection_values(collection))
            .on_conflict_do_nothing(constraint=UQ_COLLECTIONS_NAME)
        )
        if not added.rowcount:
            raise AlreadyExists("A collection with this name exists.", constraint=UQ_COLLECTIONS_NAME)
        self._seen(collection)

    async def save(self, collection: Collection) -> None:
        """The present state."""
        await self._session.save(collections, collection_values(collection))

    async def remove(self, collection_id: CollectionId) -> None:
        """Remove the row; `ConcurrentChange` while a document is in it."""
        await self._session.execute(delete(collections).where(collections.c.id == collection_id))

    async def page(
        self, workspace_id: WorkspaceId, *, limit: int, after: CollectionId | None = None
    ) -> list[Collection]:
        """Oldest first."""
        keys = (collections.c.created_at, collections.c.id)
        rows = await self._session.all(
            select(collections)
            .where(collections.c.workspace_id == workspace_id, *after_key(collections, keys, after))
            .order_by(*keys)
            .limit(limit)
        )
        return [self._seen(collection_from(row)) for row in rows]

    async def readable_by(self, workspace_id: WorkspaceId, user_id: UserId, role: Role) -> frozenset[CollectionId]:
        """All open ones, and the restricted ones that list the user; every one for admins and owners."""
        readable = select(collections.c.id).where(collections.c.workspace_id == workspace_id)
        if role < Role.ADMIN:
            listed = select(collection_members.c.collection_id).where(
                collection_members.c.workspace_id == workspace_id, collection_members.c.user_id == user_id
            )
            readable = readable.where(
                or_(collections.c.visibility == Visibility.WORKSPACE.value, collections.c.id.in_(listed))
            )
        return frozenset(row["id"] for row in await self._session.all(readable))

    async def document_counts(self, collection_ids: Sequence[CollectionId]) -> dict[CollectionId, int]:
        """Documents that are not deleted; collections without any are 0."""
        counted = await self._session.all(
            select(documents.c.collection_id, func.count().label("documents"))
            .where(one_of(documents.c.collection_id, collection_ids), documents.c.deleted_at.is_(None))
            .group_by(documents.c.collection_id)
        )
        return dict.fromkeys(collection_ids, 0) | {row["collection_id"]: row["documents"] for row in counted}

    def _seen(self, collection: Collection) -> Collection:
        self._session.saw(collection.id, collection.version)
        return collection

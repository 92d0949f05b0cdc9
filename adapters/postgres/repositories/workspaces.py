"""Workspaces, memberships and collections."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Select, Text, Uuid, any_, bindparam, cast, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.postgres.answer_tables import conversations
from adapters.postgres.mapping import (
    collection_from,
    collection_values,
    membership_from,
    membership_values,
    workspace_from,
    workspace_values,
)
from adapters.postgres.prepared import Prepared
from adapters.postgres.session import Session, after_key
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
from application.ports.repositories import Member, OwnedWorkspace, WorkspaceOfUser
from domain.access import Role
from domain.ids import CollectionId, UserId, WorkspaceId
from domain.workspaces import Collection, Membership, Visibility, Workspace

_BY_ID: Final = Prepared.of(select(workspaces).where(workspaces.c.id == bindparam("id")))
_OF_USER: Final = Prepared.of(
    select(workspaces, memberships.c.role)
    .join(memberships, memberships.c.workspace_id == workspaces.c.id)
    .where(memberships.c.user_id == bindparam("user_id"))
    .order_by(memberships.c.joined_at, workspaces.c.id)
)
_MEMBERSHIP: Final = Prepared.of(
    select(memberships).where(
        memberships.c.workspace_id == bindparam("workspace_id"), memberships.c.user_id == bindparam("user_id")
    )
)
_COLLECTION: Final = Prepared.of(select(collections).where(collections.c.id == bindparam("id")))
_ALL_COLLECTIONS: Final = Prepared.of(
    select(collections.c.id).where(collections.c.workspace_id == bindparam("workspace_id"))
)
_READABLE_COLLECTIONS: Final = Prepared.of(
    select(collections.c.id).where(
        collections.c.workspace_id == bindparam("workspace_id"),
        or_(
            collections.c.visibility == Visibility.WORKSPACE.value,
            collections.c.id.in_(
                select(collection_members.c.collection_id).where(
                    collection_members.c.workspace_id == bindparam("workspace_id"),
                    collection_members.c.user_id == bindparam("user_id"),
                )
            ),
        ),
    )
)

_DOCUMENT_COUNTS: Final = Prepared.of(
    select(documents.c.collection_id, func.count().label("documents"))
    .where(documents.c.collection_id == any_(bindparam("ids", type_=ARRAY(Uuid))), documents.c.deleted_at.is_(None))
    .group_by(documents.c.collection_id)
)

_NAMED: Final = 100  # workspaces of one name that are worth telling
_PORTION: Final = 200  # documents, with all their chunks, or conversations, with all their messages


class PostgresWorkspaces:
    """Keeps the promises of `application.ports.repositories.Workspaces`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, workspace_id: WorkspaceId) -> Workspace | None:
        """By id."""
        row = await self._session.first(_BY_ID, id=workspace_id)
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
        rows = await self._session.rows(_OF_USER, user_id=user_id)
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
        row = await self._session.first(_MEMBERSHIP, workspace_id=workspace_id, user_id=user_id)
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

    async def lock(self, workspace_id: WorkspaceId) -> Workspace | None:
        """By id, held until the transaction ends."""
        row = await self._session.one(select(workspaces).where(workspaces.c.id == workspace_id).with_for_update())
        return self._seen(workspace_from(row)) if row else None

    async def named(self, name: str) -> list[Workspace]:
        """By exact name or id, with members, oldest first."""
        has_members = select(memberships.c.user_id).where(memberships.c.workspace_id == workspaces.c.id).exists()
        rows = await self._session.all(
            select(workspaces)
            .where(or_(workspaces.c.name == name, cast(workspaces.c.id, Text) == name.lower()), has_members)
            .order_by(workspaces.c.created_at, workspaces.c.id)
            .limit(_NAMED)
        )
        return [self._seen(workspace_from(row)) for row in rows]

    async def members(self, workspace_id: WorkspaceId, *, limit: int, after: UserId | None = None) -> list[Member]:
        """In the order in which they joined."""
        keys = (memberships.c.joined_at, memberships.c.user_id)
        beyond = [] if after is None else [tuple_(*keys) > _place_of(workspace_id, after).scalar_subquery()]
        rows = await self._session.all(
            _members().where(memberships.c.workspace_id == workspace_id, *beyond).order_by(*keys).limit(limit)
        )
        return [Member(**row | {"role": Role(row["role"])}) for row in map(dict, rows)]

    async def member(self, workspace_id: WorkspaceId, user_id: UserId) -> Member | None:
        """One of them."""
        row = await self._session.one(
            _members().where(memberships.c.workspace_id == workspace_id, memberships.c.user_id == user_id)
        )
        return Member(**dict(row) | {"role": Role(row["role"])}) if row else None

    async def owners(self, workspace_id: WorkspaceId) -> list[UserId]:
        """Owners who are not disabled."""
        rows = await self._session.all(
            select(memberships.c.user_id)
            .join(users, users.c.id == memberships.c.user_id)
            .where(
                memberships.c.workspace_id == workspace_id,
                memberships.c.role == int(Role.OWNER),
                users.c.disabled_at.is_(None),
            )
        )
        return [UserId(row["user_id"]) for row in rows]

    async def save_member(self, membership: Membership) -> None:
        """Another role."""
        await self._session.execute(
            update(memberships)
            .where(memberships.c.workspace_id == membership.workspace_id, memberships.c.user_id == membership.user_id)
            .values(role=int(membership.role))
        )

    async def remove_member(self, workspace_id: WorkspaceId, user_id: UserId) -> None:
        """Foreign keys take along what the member held."""
        await self._session.execute(
            delete(memberships).where(memberships.c.workspace_id == workspace_id, memberships.c.user_id == user_id)
        )

    async def remove_members(self, workspace_id: WorkspaceId) -> list[UserId]:
        """All of them."""
        rows = await self._session.all(
            delete(memberships).where(memberships.c.workspace_id == workspace_id).returning(memberships.c.user_id)
        )
        return [UserId(row["user_id"]) for row in rows]

    async def forget(self, workspace_id: WorkspaceId) -> bool:
        """The many rows first and in portions, so that no statement of a large workspace runs into a limit of time."""
        gone = select(workspaces.c.id).where(workspaces.c.id == workspace_id, workspaces.c.deleted_at.is_not(None))
        if await self._session.one(gone.with_for_update()) is None:
            return False
        for table in (documents, conversations):
            some = select(table.c.id).where(table.c.workspace_id == workspace_id).limit(_PORTION)
            while (await self._session.execute(delete(table).where(table.c.id.in_(some)))).rowcount:
                pass
        await self._session.execute(delete(workspaces).where(workspaces.c.id == workspace_id))
        return True

    def _seen(self, workspace: Workspace) -> Workspace:
        self._session.saw(workspace.id, workspace.version)
        return workspace


def _members() -> Select[tuple[object, ...]]:
    return select(memberships.c.user_id, users.c.name, users.c.email, memberships.c.role, memberships.c.joined_at).join(
        users, users.c.id == memberships.c.user_id
    )


def _place_of(workspace_id: WorkspaceId, user_id: UserId) -> Select[tuple[object, ...]]:
    return select(memberships.c.joined_at, memberships.c.user_id).where(
        memberships.c.workspace_id == workspace_id, memberships.c.user_id == user_id
    )


class PostgresCollections:
    """Keeps the promises of `application.ports.repositories.Collections`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, collection_id: CollectionId) -> Collection | None:
        """By id."""
        row = await self._session.first(_COLLECTION, id=collection_id)
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
        readable = _ALL_COLLECTIONS if role >= Role.ADMIN else _READABLE_COLLECTIONS
        rows = await self._session.rows(readable, workspace_id=workspace_id, user_id=user_id)
        return frozenset(row["id"] for row in rows)

    async def let_read(self, collection: Collection, user_id: UserId) -> None:
        """List a member for it."""
        await self._session.execute(
            postgresql.insert(collection_members)
            .values(workspace_id=collection.workspace_id, collection_id=collection.id, user_id=user_id)
            .on_conflict_do_nothing()
        )

    async def stop_reading(self, collection: Collection, user_id: UserId) -> None:
        """Take them off the list."""
        await self._session.execute(
            delete(collection_members).where(
                collection_members.c.collection_id == collection.id, collection_members.c.user_id == user_id
            )
        )

    async def document_counts(self, collection_ids: Sequence[CollectionId]) -> dict[CollectionId, int]:
        """Documents that are not deleted; collections without any are 0."""
        counted = await self._session.rows(_DOCUMENT_COUNTS, ids=list(collection_ids))
        return dict.fromkeys(collection_ids, 0) | {row["collection_id"]: row["documents"] for row in counted}

    def _seen(self, collection: Collection) -> Collection:
        self._session.saw(collection.id, collection.version)
        return collection

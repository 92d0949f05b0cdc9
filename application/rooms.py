"""Rooms and who is in them."""

from attrs import frozen

from application.auditing import note
from application.documents import check_version
from application.ports.system import Clock, Ids
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.rooms_events import RecordEvent, sender_of
from domain.access import Action, Actor
from domain.audit import Deed
from domain.errors import NotFound
from domain.ids import ConversationId, RoomId, UserId
from domain.rooms import EventKind, NewEvent, Room
from domain.workspaces import Visibility, check_name


async def visible_room(work: UnitOfWork, actor: Actor, room_id: RoomId) -> Room:
    """The room if the actor sees it, else `NotFound`."""
    room = await work.rooms.get(room_id)
    if room is not None and room.workspace_id == actor.workspace_id:
        if room.is_open_to(actor.role, is_listed=False):
            return room
        if await work.rooms.is_listed(room.id, actor.user_id):
            return room
    raise NotFound("There is no such room.")


@frozen(kw_only=True)
class RoomWithMembers:
    """A room and those whom it lists."""

    room: Room
    members: tuple[UserId, ...]


@frozen(kw_only=True)
class CreateRoom:
    """A new room.

    - An open room is seen by every member of the workspace, a restricted one by those it lists and by admins.
    - Who makes a restricted room is listed in it.
    """

    begin: UnitOfWorkFactory
    clock: Clock
    ids: Ids

    async def __call__(self, actor: Actor, *, name: str, visibility: Visibility = Visibility.WORKSPACE) -> Room:
        """`InvalidInput` for a name that is none, or `Forbidden`."""
        actor.require(Action.ROOM_MANAGE)
        now = self.clock.now()
        room = Room(
            id=RoomId(self.ids.new()),
            workspace_id=actor.workspace_id,
            name=check_name(name),
            visibility=visibility,
            epoch=self.ids.new(),
            created_by=actor.user_id,
            created_at=now,
        )
        async with self.begin(actor.workspace_id) as work:
            await work.rooms.add(room)
            await work.rooms.list_member(room, actor.user_id, now=now)
            await note(work, Deed.ROOM_CREATED, room.id, by=actor)
            await work.commit(room)
        return room


@frozen(kw_only=True)
class ListRooms:
    """The rooms that the actor sees, oldest first."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, limit: int, after: RoomId | None = None) -> list[Room]:
        """At most `limit`, after the one named."""
        actor.require(Action.ROOM_READ)
        async with self.begin(actor.workspace_id) as work:
            return await work.rooms.page(
                actor.workspace_id, seen_by=actor.user_id, role=actor.role, limit=limit, after=after
            )


@frozen(kw_only=True)
class ShowRoom:
    """One room."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, room_id: RoomId) -> RoomWithMembers:
        """`NotFound` when it does not exist for this actor."""
        actor.require(Action.ROOM_READ)
        async with self.begin(actor.workspace_id) as work:
            room = await visible_room(work, actor, room_id)
            return RoomWithMembers(room=room, members=tuple(await work.rooms.listed(room.id)))


@frozen(kw_only=True)
class ChangeRoom:
    """Another name or visibility. Who is not listed leaves a room that becomes restricted."""

    begin: UnitOfWorkFactory

    async def __call__(
        self,
        actor: Actor,
        *,
        room_id: RoomId,
        name: str | None = None,
        visibility: Visibility | None = None,
        version: int | None = None,
    ) -> Room:
        """`NotFound`, `InvalidInput`, `Forbidden`, or `StaleVersion` when `version` is not the present one."""
        actor.require(Action.ROOM_READ)
        async with self.begin(actor.workspace_id) as work:
            room = await visible_room(work, actor, room_id)
            actor.require(Action.ROOM_MANAGE)
            check_version(room.version, version)
            room = room.changed(name=name, visibility=visibility)
            await work.rooms.save(room)
            await note(work, Deed.ROOM_CHANGED, room.id, by=actor)
            await work.commit()
        return room


@frozen(kw_only=True)
class DeleteRoom:
    """Remove a room with all its events; whoever is in it leaves."""

    begin: UnitOfWorkFactory

    async def __call__(self, actor: Actor, *, room_id: RoomId, version: int | None = None) -> None:
        """`NotFound`, `Forbidden`, or `StaleVersion` when `version` is not the present one."""
        actor.require(Action.ROOM_READ)
        async with self.begin(actor.workspace_id) as work:
            room = await visible_room(work, actor, room_id)
            actor.require(Action.ROOM_MANAGE)
            check_version(room.version, version)
            await work.conversations.remove(ConversationId(room.id))  # what was asked in it
            await work.rooms.forget(room.id)
            await note(work, Deed.ROOM_DELETED, room.id, by=actor)
            await work.commit()


@frozen(kw_only=True)
class ListRoomMember:
    """List a member of the workspace in a room; the room is told as `member.joined`. Twice is once."""

    begin: UnitOfWorkFactory
    record: RecordEvent
    clock: Clock
    ids: Ids

    async def __call__(self, actor: Actor, *, room_id: RoomId, user_id: UserId) -> None:
        """`Forbidden`, or `NotFound` when the room does not exist for the actor or the user is no member."""
        actor.require(Action.ROOM_READ)
        async with self.begin(actor.workspace_id) as work:
            room = await visible_room(work, actor, room_id)
            actor.require(Action.ROOM_MANAGE)
            membership = await work.workspaces.membership(actor.workspace_id, user_id)
            user = await work.users.get(user_id)
            if membership is None or user is None:
                raise NotFound("There is no such member of the workspace.")
            if not await work.rooms.list_member(room, user_id, now=self.clock.now()):
                return
            event = NewEvent(
                room_id=room.id,
                workspace_id=room.workspace_id,
                kind=EventKind.MEMBER_JOINED,
                sender=await sender_of(work, actor),
                client_msg_id=self.ids.new(),
                data={"user_id": str(user_id), "name": user.name},
            )
            await self.record.last(work, event)


@frozen(kw_only=True)
class UnlistRoomMember:
    """Take somebody off a room's list; the room is told as `member.left`. Everybody may take off themselves."""

    begin: UnitOfWorkFactory
    record: RecordEvent
    ids: Ids

    async def __call__(self, actor: Actor, *, room_id: RoomId, user_id: UserId) -> None:
        """`Forbidden`, or `NotFound` when the room does not exist for the actor or does not list the user."""
        actor.require(Action.ROOM_READ)
        async with self.begin(actor.workspace_id) as work:
            room = await visible_room(work, actor, room_id)
            if user_id != actor.user_id:
                actor.require(Action.ROOM_MANAGE)
            sender = await sender_of(work, actor)
            if not await work.rooms.unlist_member(room.id, user_id):
                raise NotFound("The room does not list this user.")
            event = NewEvent(
                room_id=room.id,
                workspace_id=room.workspace_id,
                kind=EventKind.MEMBER_LEFT,
                sender=sender,
                client_msg_id=self.ids.new(),
                data={"user_id": str(user_id)},
            )
            await self.record.last(work, event)

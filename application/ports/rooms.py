"""Rooms and their events in the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from attrs import frozen

from domain.access import Role
from domain.ids import RoomId, SessionId, UserId, WorkspaceId
from domain.rooms import NewEvent, Room, RoomEvent

UQ_CLIENT_MSG_ID = "uq_room_events_room_id_client_msg_id"


@frozen(kw_only=True)
class Appended:
    """An event in its place. `duplicate`: it stood there before; `is_same`: with this very body."""

    event: RoomEvent
    duplicate: bool = False
    is_same: bool = True


@frozen(kw_only=True)
class Admission:
    """Somebody who may be in a room, and with which role."""

    room_id: RoomId
    user_id: UserId
    role: Role


class Rooms(Protocol):
    """Rooms of a workspace, who is listed in them, and their events."""

    async def get(self, room_id: RoomId) -> Room | None:
        """By id."""
        ...

    async def add(self, room: Room) -> None:
        """A new one."""
        ...

    async def save(self, room: Room) -> None:
        """Name, visibility and version; never the numbering, which only `append` moves."""
        ...

    async def forget(self, room_id: RoomId) -> None:
        """Remove it with its events and members."""
        ...

    async def page(
        self, workspace_id: WorkspaceId, *, seen_by: UserId, role: Role, limit: int, after: RoomId | None = None
    ) -> list[Room]:
        """Those that this member sees, oldest first."""
        ...

    async def is_listed(self, room_id: RoomId, user_id: UserId) -> bool:
        """Whether a restricted room lists them."""
        ...

    async def listed(self, room_id: RoomId) -> list[UserId]:
        """All that it lists, in the order in which they were added."""
        ...

    async def list_member(self, room: Room, user_id: UserId, *, now: datetime) -> bool:
        """Let them in; False when they were listed before."""
        ...

    async def unlist_member(self, room_id: RoomId, user_id: UserId) -> bool:
        """Take them off; False when they were not listed."""
        ...

    async def append(self, event: NewEvent, *, now: datetime) -> Appended:
        """Give it the room's next number. To be the last statement before the commit: it holds the room's row.

        The same `client_msg_id` again gives the event that stands there. When a twin is being appended at the same
        moment: `AlreadyExists` (constraint ``uq_room_events_room_id_client_msg_id``), and a new unit of work finds
        it. `ConcurrentChange` when the room is gone.
        """
        ...

    async def append_all(self, events: Sequence[NewEvent], *, now: datetime) -> list[Appended | None]:
        """Several events of any rooms, each as `append` would, in the order in which they are given.

        None for one whose room is gone. No two of them may have the same room and `client_msg_id`.
        """
        ...

    async def find_event(self, room_id: RoomId, client_msg_id: UUID) -> RoomEvent | None:
        """The event that was sent under this id, unless it was forgotten."""
        ...

    async def known(self, event: NewEvent) -> Appended | None:
        """Where it stands already, as `append` would say; also when what it said was forgotten."""
        ...

    async def events_after(self, room_id: RoomId, seq: int, *, limit: int) -> list[RoomEvent]:
        """In order, from the one after `seq`."""
        ...

    async def events_before(self, room_id: RoomId, seq: int, *, limit: int) -> list[RoomEvent]:
        """In order, the last `limit` of those before `seq`."""
        ...

    async def positions(self, room_ids: Sequence[RoomId]) -> dict[RoomId, Room]:
        """The rooms there are, with their `last_seq` of this moment. All workspaces, when bound to none."""
        ...

    async def active_since(self, moment: datetime) -> list[Room]:
        """Rooms with an event younger than that. All workspaces, when bound to none."""
        ...

    async def admitted(self, pairs: Sequence[tuple[RoomId, UserId]]) -> list[Admission]:
        """Of these the ones who may be in the room now. All workspaces, when bound to none."""
        ...

    async def good_sessions(self, session_ids: Sequence[SessionId], *, now: datetime) -> frozenset[SessionId]:
        """Of these the ones that are neither revoked nor over, of users who are active. Bound to none only."""
        ...

    async def forget_events(self, before: datetime, *, limit: int) -> int:
        """Forget up to `limit` of the events older than that, never a room's youngest; how many they were.

        What they said and who said it is gone; their numbers and ids stay taken.
        """
        ...

"""The promises of rooms on rows in memory."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from attrs import evolve, frozen

from application.errors import ConcurrentChange
from application.ports.rooms import UQ_CLIENT_MSG_ID, Admission, Appended
from domain.access import Role
from domain.ids import RoomId, SessionId, UserId, WorkspaceId
from domain.rooms import NewEvent, Room, RoomEvent, Sender
from tests.fakes.database import (
    MEMBERSHIPS,
    ROOM_EVENTS,
    ROOM_MEMBERS,
    ROOMS,
    SESSIONS,
    USERS,
    FakeTransaction,
)
from tests.fakes.repositories import created_at, keyset


@frozen
class Listed:
    """Somebody whom a room lists."""

    workspace_id: WorkspaceId
    room_id: RoomId
    user_id: UserId
    added_at: datetime


@frozen
class StoredEvent:
    """An event as a row."""

    workspace_id: WorkspaceId
    room_id: RoomId
    event: RoomEvent
    digest: bytes
    is_kept: bool = True


class FakeRooms:
    """Rooms in one transaction on rows in memory."""

    def __init__(self, transaction: FakeTransaction) -> None:
        self._rows = transaction

    async def get(self, room_id: RoomId) -> Room | None:
        found: Room | None = self._find(room_id)
        return self._rows.saw(found)

    async def add(self, room: Room) -> None:
        await self._rows.add(ROOMS, room.id, room)
        self._rows.saw(room)

    async def save(self, room: Room) -> None:
        await self._rows.lock(ROOMS, room.id)
        stored = self._find(room.id)
        await self._rows.save(ROOMS, room if stored is None else evolve(room, last_seq=stored.last_seq))

    async def forget(self, room_id: RoomId) -> None:
        await self._rows.lock(ROOMS, room_id)
        for stored in self._events(room_id):
            self._rows.delete(ROOM_EVENTS, (room_id, stored.event.seq))
        for user_id in await self.listed(room_id):
            self._rows.delete(ROOM_MEMBERS, (room_id, user_id))
        self._rows.delete(ROOMS, room_id)

    async def page(
        self, workspace_id: WorkspaceId, *, seen_by: UserId, role: Role, limit: int, after: RoomId | None = None
    ) -> list[Room]:
        rows = [
            room
            for room in self._rows.rows(ROOMS)
            if room.workspace_id == workspace_id and room.is_open_to(role, is_listed=self._lists(room.id, seen_by))
        ]
        last_seen = None if after is None else self._find(after)
        found = keyset(rows, key=created_at, last_seen=last_seen, after=after, limit=limit)
        return [self._rows.saw(room) for room in found]

    async def is_listed(self, room_id: RoomId, user_id: UserId) -> bool:
        return self._lists(room_id, user_id)

    async def listed(self, room_id: RoomId) -> list[UserId]:
        found = [one for one in self._rows.rows(ROOM_MEMBERS) if one.room_id == room_id]
        return [one.user_id for one in sorted(found, key=lambda one: (one.added_at, one.user_id))]

    async def list_member(self, room: Room, user_id: UserId, *, now: datetime) -> bool:
        await self._rows.lock(ROOM_MEMBERS, room.id, user_id)
        if self._lists(room.id, user_id):
            return False
        self._rows.put(ROOM_MEMBERS, (room.id, user_id), Listed(room.workspace_id, room.id, user_id, now))
        return True

    async def unlist_member(self, room_id: RoomId, user_id: UserId) -> bool:
        was = self._lists(room_id, user_id)
        self._rows.delete(ROOM_MEMBERS, (room_id, user_id))
        return was

    async def append(self, event: NewEvent, *, now: datetime) -> Appended:
        known = next((s for s in self._events(event.room_id) if s.event.client_msg_id == event.client_msg_id), None)
        if known is not None:
            return Appended(event=known.event, duplicate=True, is_same=known.digest == event.digest)
        await self._rows.lock(ROOMS, event.room_id)
        room = self._find(event.room_id)
        if room is None:
            raise ConcurrentChange("The room is gone.")
        raised = evolve(room, last_seq=room.last_seq + 1)
        placed = RoomEvent(
            room_id=event.room_id,
            seq=raised.last_seq,
            epoch=room.epoch,
            kind=event.kind,
            sender=event.sender,
            client_msg_id=event.client_msg_id,
            data=event.data,
            created_at=now,
        )
        await self._rows.add(
            ROOM_EVENTS,
            (room.id, placed.seq),
            StoredEvent(room.workspace_id, room.id, placed, event.digest),
            **{UQ_CLIENT_MSG_ID: (room.id, event.client_msg_id)},
        )
        self._rows.put(ROOMS, room.id, raised)
        return Appended(event=placed)

    async def append_all(self, events: Sequence[NewEvent], *, now: datetime) -> list[Appended | None]:
        placed: list[Appended | None] = []
        for event in events:
            try:
                placed.append(await self.append(event, now=now))
            except ConcurrentChange:
                placed.append(None)
        return placed

    async def find_event(self, room_id: RoomId, client_msg_id: UUID) -> RoomEvent | None:
        found = (s.event for s in self._kept(room_id) if s.event.client_msg_id == client_msg_id)
        return next(found, None)

    async def known(self, event: NewEvent) -> Appended | None:
        found = next((s for s in self._events(event.room_id) if s.event.client_msg_id == event.client_msg_id), None)
        return (
            None if found is None else Appended(event=found.event, duplicate=True, is_same=found.digest == event.digest)
        )

    async def events_after(self, room_id: RoomId, seq: int, *, limit: int) -> list[RoomEvent]:
        return [stored.event for stored in self._kept(room_id) if stored.event.seq > seq][:limit]

    async def events_before(self, room_id: RoomId, seq: int, *, limit: int) -> list[RoomEvent]:
        return [stored.event for stored in self._kept(room_id) if stored.event.seq < seq][-limit:]

    async def positions(self, room_ids: Sequence[RoomId]) -> dict[RoomId, Room]:
        return {room.id: room for room in self._rows.rows(ROOMS) if room.id in room_ids}

    async def active_since(self, moment: datetime) -> list[Room]:
        active = {s.room_id for s in self._rows.rows(ROOM_EVENTS) if s.event.created_at > moment}
        return [room for room in self._rows.rows(ROOMS) if room.id in active]

    async def admitted(self, pairs: Sequence[tuple[RoomId, UserId]]) -> list[Admission]:
        active = {user.id for user in self._rows.rows(USERS) if user.is_active}
        roles = {(place.workspace_id, place.user_id): place.role for place in self._rows.rows(MEMBERSHIPS)}
        found = []
        for room_id, user_id in pairs:
            room = self._find(room_id)
            role = None if room is None else roles.get((room.workspace_id, user_id))
            if (
                room is not None
                and role is not None
                and user_id in active
                and room.is_open_to(role, is_listed=self._lists(room_id, user_id))
            ):
                found.append(Admission(room_id=room_id, user_id=user_id, role=role))
        return found

    async def good_sessions(self, session_ids: Sequence[SessionId], *, now: datetime) -> frozenset[SessionId]:
        active = {user.id for user in self._rows.rows(USERS) if user.is_active}
        return frozenset(
            session.id
            for session in self._rows.rows(SESSIONS)
            if session.id in session_ids and session.user_id in active and session.is_live(now)
        )

    async def forget_events(self, before: datetime, *, limit: int) -> int:
        tops = {room.id: room.last_seq for room in self._rows.rows(ROOMS)}
        old = [
            stored
            for stored in self._rows.rows(ROOM_EVENTS)
            if stored.is_kept and stored.event.created_at < before and stored.event.seq < tops[stored.room_id]
        ]
        chosen = sorted(old, key=lambda stored: stored.event.created_at)[:limit]
        for stored in chosen:
            forgotten = evolve(stored.event, data=None, sender=Sender(id=None, name=""))
            row = evolve(stored, event=forgotten, is_kept=False)
            self._rows.put(ROOM_EVENTS, (stored.room_id, stored.event.seq), row)
        return len(chosen)

    def _find(self, room_id: UUID) -> Room | None:
        found: Room | None = self._rows.first(ROOMS, lambda room: bool(room.id == room_id))
        return found

    def _lists(self, room_id: RoomId, user_id: UserId) -> bool:
        return any(one.room_id == room_id and one.user_id == user_id for one in self._rows.rows(ROOM_MEMBERS))

    def _events(self, room_id: RoomId) -> list[StoredEvent]:
        rows: list[StoredEvent] = [stored for stored in self._rows.rows(ROOM_EVENTS) if stored.room_id == room_id]
        return sorted(rows, key=lambda stored: stored.event.seq)

    def _kept(self, room_id: RoomId) -> list[StoredEvent]:
        return [stored for stored in self._events(room_id) if stored.is_kept]

"""Rooms, who is listed in them, and their events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, insert, null, or_, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from adapters.postgres.mapping_values import Row
from adapters.postgres.prepared import Prepared
from adapters.postgres.repositories.room_events import append_all, event_from
from adapters.postgres.room_tables import room_events, room_members, rooms
from adapters.postgres.session import Session, after_key, one_of
from adapters.postgres.tables import login_sessions, users
from application.errors import ConcurrentChange
from application.ports.rooms import Admission, Appended
from domain.access import Role
from domain.ids import RoomId, SessionId, UserId, WorkspaceId
from domain.rooms import NewEvent, Room, RoomEvent
from domain.workspaces import Visibility

_ROOM: Final = Prepared.of(select(rooms).where(rooms.c.id == bindparam("id")))
_LISTED: Final = Prepared.of(
    select(room_members.c.user_id).where(
        room_members.c.room_id == bindparam("room_id"), room_members.c.user_id == bindparam("user_id")
    )
)
# One statement: the room's row is held for one round trip, and a rollback takes the number back.
_APPEND: Final = text(
    """
    WITH known AS (
        SELECT seq, kind, sender_id, sender_name, data, created_at, digest FROM room_events
        WHERE room_id = :room_id AND client_msg_id = :client_msg_id
    ), raised AS (
        UPDATE rooms SET last_seq = last_seq + 1
        WHERE id = :room_id AND NOT EXISTS (SELECT FROM known)
        RETURNING workspace_id, last_seq
    ), added AS (
        INSERT INTO room_events (
            workspace_id, room_id, seq, kind, sender_id, sender_name, client_msg_id, digest, data, created_at
        )
        SELECT workspace_id, :room_id, last_seq, :kind, :sender_id, :sender_name, :client_msg_id, :digest,
            :data, :created_at
        FROM raised
        RETURNING seq, kind, sender_id, sender_name, data, created_at, digest
    ), placed AS (
        SELECT *, true AS duplicate FROM known UNION ALL SELECT *, false FROM added
    )
    SELECT placed.*, rooms.epoch FROM placed JOIN rooms ON rooms.id = :room_id
    """
).bindparams(
    bindparam("room_id", type_=Uuid()),
    bindparam("client_msg_id", type_=Uuid()),
    bindparam("sender_id", type_=Uuid()),
    bindparam("data", type_=JSONB()),
)
_APPEND_TYPED: Final = _APPEND.columns(
    seq=room_events.c.seq.type,
    kind=room_events.c.kind.type,
    sender_id=Uuid(),
    sender_name=room_events.c.sender_name.type,
    data=JSONB(),
    created_at=room_events.c.created_at.type,
    digest=room_events.c.digest.type,
    epoch=Uuid(),
)
_ADMITTED: Final = Prepared.of(
    text(
        """
    SELECT rooms.id AS room_id, memberships.user_id, memberships.role
    FROM unnest(:room_ids, :user_ids) AS asked (room_id, user_id)
    JOIN rooms ON rooms.id = asked.room_id
    JOIN memberships ON memberships.workspace_id = rooms.workspace_id AND memberships.user_id = asked.user_id
    JOIN users ON users.id = asked.user_id AND users.disabled_at IS NULL
    WHERE rooms.visibility = 'workspace' OR memberships.role >= :admin OR EXISTS (
        SELECT FROM room_members WHERE room_members.room_id = rooms.id AND room_members.user_id = asked.user_id
    )
    """
    ).bindparams(bindparam("room_ids", type_=ARRAY(Uuid())), bindparam("user_ids", type_=ARRAY(Uuid())))
)
_KEPT: Final = room_events.c.data.is_not(null())  # SQL's, not JSON's
_ACTIVE: Final = Prepared.of(  # for every process asks it some times a second
    select(rooms).where(
        rooms.c.id.in_(select(room_events.c.room_id).where(_KEPT, room_events.c.created_at > bindparam("moment")))
    )
)
_FORGET: Final = text(
    """
    UPDATE room_events SET data = NULL, sender_id = NULL, sender_name = '' FROM (
        SELECT old.room_id, old.seq FROM room_events AS old JOIN rooms ON rooms.id = old.room_id
        WHERE old.data IS NOT NULL AND old.created_at < :before AND old.seq < rooms.last_seq
        ORDER BY old.created_at LIMIT :most
    ) AS chosen
    WHERE room_events.room_id = chosen.room_id AND room_events.seq = chosen.seq
    """
)


def room_values(room: Room) -> dict[str, Any]:
    """What a room's row holds beside its numbering."""
    return {
        "id": room.id,
        "workspace_id": room.workspace_id,
        "name": room.name,
        "visibility": room.visibility.value,
        "epoch": room.epoch,
        "version": room.version,
        "created_by": room.created_by,
        "created_at": room.created_at,
    }


def room_from(row: Row) -> Room:
    """A room from its row."""
    return Room(
        id=row["id"],
        workspace_id=row["workspace_id"],
        name=row["name"],
        visibility=Visibility(row["visibility"]),
        epoch=row["epoch"],
        last_seq=row["last_seq"],
        version=row["version"],
        created_by=row["created_by"],
        created_at=row["created_at"],
    )


class PostgresRooms:
    """Keeps the promises of `application.ports.rooms.Rooms`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, room_id: RoomId) -> Room | None:
        """By id."""
        row = await self._session.first(_ROOM, id=room_id)
        return self._seen(room_from(row)) if row else None

    async def add(self, room: Room) -> None:
        """A new one."""
        await self._session.execute(insert(rooms).values(last_seq=room.last_seq, **room_values(room)))
        self._seen(room)

    async def save(self, room: Room) -> None:
        """Name, visibility and version; never the numbering."""
        await self._session.save(rooms, room_values(room))

    async def forget(self, room_id: RoomId) -> None:
        """Remove it; events and members go with it."""
        await self._session.execute(delete(rooms).where(rooms.c.id == room_id))

    async def page(
        self, workspace_id: WorkspaceId, *, seen_by: UserId, role: Role, limit: int, after: RoomId | None = None
    ) -> list[Room]:
        """Those that this member sees, oldest first."""
        keys = (rooms.c.created_at, rooms.c.id)
        wanted = select(rooms).where(rooms.c.workspace_id == workspace_id, *after_key(rooms, keys, after))
        if role < Role.ADMIN:
            listed = select(room_members.c.room_id).where(room_members.c.user_id == seen_by)
            wanted = wanted.where(or_(rooms.c.visibility == Visibility.WORKSPACE.value, rooms.c.id.in_(listed)))
        found = await self._session.all(wanted.order_by(*keys).limit(limit))
        return [self._seen(room_from(row)) for row in found]

    async def is_listed(self, room_id: RoomId, user_id: UserId) -> bool:
        """Whether a restricted room lists them."""
        return await self._session.first(_LISTED, room_id=room_id, user_id=user_id) is not None

    async def listed(self, room_id: RoomId) -> list[UserId]:
        """All that it lists, in the order in which they were added."""
        members = room_members.c
        found = await self._session.all(
            select(members.user_id).where(members.room_id == room_id).order_by(members.added_at, members.user_id)
        )
        return [row["user_id"] for row in found]

    async def list_member(self, room: Room, user_id: UserId, *, now: datetime) -> bool:
        """Let them in; False when they were listed before."""
        added = await self._session.execute(
            postgresql.insert(room_members)
            .values(workspace_id=room.workspace_id, room_id=room.id, user_id=user_id, added_at=now)
            .on_conflict_do_nothing()
        )
        return bool(added.rowcount)

    async def unlist_member(self, room_id: RoomId, user_id: UserId) -> bool:
        """Take them off; False when they were not listed."""
        removed = await self._session.execute(
            delete(room_members).where(room_members.c.room_id == room_id, room_members.c.user_id == user_id)
        )
        return bool(removed.rowcount)

    async def append(self, event: NewEvent, *, now: datetime) -> Appended:
        """Give it the room's next number, in one statement."""
        digest = event.digest
        row = (
            (
                await self._session.execute(
                    _APPEND_TYPED,
                    {
                        "room_id": event.room_id,
                        "client_msg_id": event.client_msg_id,
                        "kind": event.kind.value,
                        "sender_id": event.sender.id,
                        "sender_name": event.sender.name,
                        "digest": digest,
                        "data": event.data,
                        "created_at": now,
                    },
                )
            )
            .mappings()
            .first()
        )
        if row is None:
            raise ConcurrentChange("The room is gone.")
        return Appended(
            event=event_from(row, event.room_id, event.client_msg_id),
            duplicate=row["duplicate"],
            is_same=row["digest"] == digest,
        )

    async def append_all(self, events: Sequence[NewEvent], *, now: datetime) -> list[Appended | None]:
        """Several events of any rooms, in one statement."""
        return await append_all(self._session, events, now=now)

    async def find_event(self, room_id: RoomId, client_msg_id: UUID) -> RoomEvent | None:
        """The event that was sent under this id."""
        row = await self._session.one(_kept_events(room_id).where(room_events.c.client_msg_id == client_msg_id))
        return event_from(row, room_id, client_msg_id) if row else None

    async def known(self, event: NewEvent) -> Appended | None:
        """Where it stands already."""
        sent = room_events.c.client_msg_id == event.client_msg_id
        row = await self._session.one(_events(event.room_id).where(sent))
        if row is None:
            return None
        found = event_from(row, event.room_id, event.client_msg_id)
        return Appended(event=found, duplicate=True, is_same=row["digest"] == event.digest)

    async def events_after(self, room_id: RoomId, seq: int, *, limit: int) -> list[RoomEvent]:
        """In order, from the one after `seq`."""
        events = room_events.c
        wanted = _kept_events(room_id).where(events.seq > seq).order_by(events.seq).limit(limit)
        return [event_from(row, room_id, row["client_msg_id"]) for row in await self._session.all(wanted)]

    async def events_before(self, room_id: RoomId, seq: int, *, limit: int) -> list[RoomEvent]:
        """In order, the last `limit` of those before `seq`."""
        events = room_events.c
        wanted = _kept_events(room_id).where(events.seq < seq).order_by(events.seq.desc()).limit(limit)
        found = await self._session.all(wanted)
        return [event_from(row, room_id, row["client_msg_id"]) for row in reversed(found)]

    async def positions(self, room_ids: Sequence[RoomId]) -> dict[RoomId, Room]:
        """The rooms there are, with their `last_seq` of this moment."""
        found = await self._session.all(select(rooms).where(one_of(rooms.c.id, room_ids)))
        return {row["id"]: room_from(row) for row in found}

    async def active_since(self, moment: datetime) -> list[Room]:
        """Rooms with an event younger than that."""
        return [room_from(row) for row in await self._session.rows(_ACTIVE, moment=moment)]

    async def admitted(self, pairs: Sequence[tuple[RoomId, UserId]]) -> list[Admission]:
        """Of these the ones who may be in the room now."""
        found = await self._session.rows(
            _ADMITTED,
            room_ids=[room_id for room_id, _ in pairs],
            user_ids=[user_id for _, user_id in pairs],
            admin=int(Role.ADMIN),
        )
        return [Admission(room_id=row["room_id"], user_id=row["user_id"], role=Role(row["role"])) for row in found]

    async def good_sessions(self, session_ids: Sequence[SessionId], *, now: datetime) -> frozenset[SessionId]:
        """Of these the ones that are neither revoked nor over, of users who are active."""
        sessions = login_sessions.c
        found = await self._session.all(
            select(sessions.id)
            .join(users, users.c.id == sessions.user_id)
            .where(
                one_of(sessions.id, session_ids),
                sessions.revoked_at.is_(None),
                sessions.expires_at > now,
                users.c.disabled_at.is_(None),
            )
        )
        return frozenset(row["id"] for row in found)

    async def forget_events(self, before: datetime, *, limit: int) -> int:
        """Forget up to `limit` of the events older than that, never a room's youngest."""
        return (await self._session.execute(_FORGET, {"before": before, "most": limit})).rowcount

    def _seen(self, room: Room) -> Room:
        self._session.saw(room.id, room.version)
        return room


def _events(room_id: RoomId) -> Any:
    return (
        select(room_events, rooms.c.epoch)
        .join(rooms, rooms.c.id == room_events.c.room_id)
        .where(room_events.c.room_id == room_id)
    )


def _kept_events(room_id: RoomId) -> Any:
    return _events(room_id).where(_KEPT)

"""Many events in one statement."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Integer, RowMapping, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA

from adapters.postgres.prepared import Prepared
from adapters.postgres.session import Session
from application.ports.rooms import Appended
from domain.ids import RoomId
from domain.rooms import EventKind, NewEvent, RoomEvent, Sender

# The rows of the rooms are locked in the order of their ids, so that two such statements never wait for each other.
_APPEND_ALL: Final = Prepared.of(
    text(
        """
    WITH asked AS (
        SELECT * FROM unnest(
            :places, :room_ids, :client_msg_ids, :kinds, :sender_ids, :sender_names, :digests, :data
        ) AS asked (place, room_id, client_msg_id, kind, sender_id, sender_name, digest, data)
    ), known AS (
        SELECT asked.place, old.room_id, old.seq, old.kind, old.sender_id, old.sender_name, old.client_msg_id,
            old.data, old.created_at, old.digest
        FROM asked JOIN room_events AS old USING (room_id, client_msg_id)
    ), fresh AS (
        SELECT asked.*, row_number() OVER (PARTITION BY room_id ORDER BY place) AS rank
        FROM asked WHERE place NOT IN (SELECT place FROM known)
    ), held AS MATERIALIZED (
        SELECT id FROM rooms WHERE id IN (SELECT room_id FROM fresh) ORDER BY id FOR NO KEY UPDATE
    ), counted AS (
        SELECT room_id, count(*) AS count FROM fresh JOIN held ON held.id = fresh.room_id GROUP BY room_id
    ), raised AS (
        UPDATE rooms SET last_seq = last_seq + counted.count FROM counted WHERE rooms.id = counted.room_id
        RETURNING rooms.id, rooms.workspace_id, rooms.last_seq - counted.count AS seq_before
    ), added AS (
        INSERT INTO room_events (
            workspace_id, room_id, seq, kind, sender_id, sender_name, client_msg_id, digest, data, created_at
        )
        SELECT workspace_id, room_id, seq_before + rank, kind, sender_id, sender_name, client_msg_id, digest,
            CAST(data AS jsonb), CAST(:created_at AS timestamptz)
        FROM fresh JOIN raised ON raised.id = fresh.room_id
        RETURNING room_id, seq, kind, sender_id, sender_name, client_msg_id, data, created_at, digest
    ), placed AS (
        SELECT known.*, true AS duplicate FROM known
        UNION ALL
        SELECT asked.place, added.*, false FROM added
        JOIN asked ON asked.room_id = added.room_id AND asked.client_msg_id = added.client_msg_id
    )
    SELECT placed.*, rooms.epoch FROM placed JOIN rooms ON rooms.id = placed.room_id
    """
    ).bindparams(
        bindparam("places", type_=ARRAY(Integer)),
        *(bindparam(name, type_=ARRAY(Uuid)) for name in ("room_ids", "client_msg_ids", "sender_ids")),
        *(bindparam(name, type_=ARRAY(Text)) for name in ("kinds", "sender_names", "data")),
        bindparam("digests", type_=ARRAY(BYTEA)),
    )
)


async def append_all(session: Session, events: Sequence[NewEvent], *, now: datetime) -> list[Appended | None]:
    """Each event in its place; None for one whose room is gone."""
    digests = [event.digest for event in events]
    parameters = {
        "places": list(range(len(events))),
        "room_ids": [event.room_id for event in events],
        "client_msg_ids": [event.client_msg_id for event in events],
        "kinds": [event.kind.value for event in events],
        "sender_ids": [event.sender.id for event in events],
        "sender_names": [event.sender.name for event in events],
        "digests": digests,
        "data": [json.dumps(event.data, ensure_ascii=False, separators=(",", ":")) for event in events],
        "created_at": now,
    }
    placed: list[Appended | None] = [None] * len(events)
    for row in await session.rows(_APPEND_ALL, **parameters):
        placed[row["place"]] = Appended(
            event=event_from(row, row["room_id"], row["client_msg_id"]),
            duplicate=row["duplicate"],
            is_same=row["digest"] == digests[row["place"]],
        )
    return placed


def event_from(row: Mapping[str, Any] | RowMapping, room_id: RoomId, client_msg_id: Any) -> RoomEvent:
    """An event from a row that also carries its room's epoch."""
    return RoomEvent(
        room_id=room_id,
        seq=row["seq"],
        epoch=row["epoch"],
        kind=EventKind(row["kind"]),
        sender=Sender(id=row["sender_id"], name=row["sender_name"]),
        client_msg_id=client_msg_id,
        data=row["data"],
        created_at=row["created_at"],
    )

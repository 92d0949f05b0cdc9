"""Presence in memory."""

import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from attrs import define, field

from application.ports.live import LiveNote, NoteKind
from application.ports.presence import Entry, PresenceState
from application.rooms_events import compact
from domain.ids import RoomId
from domain.rooms import Sender
from tests.fakes.live import MemoryBus


@define
class MemoryPresence:
    """Connections with the moment at which each ends, by room."""

    bus: MemoryBus
    entries: defaultdict[RoomId, dict[str, tuple[Entry, float]]] = field(factory=lambda: defaultdict(dict))
    members: defaultdict[RoomId, dict[str, Sender]] = field(factory=lambda: defaultdict(dict))
    versions: defaultdict[RoomId, int] = field(factory=lambda: defaultdict(lambda: time.time_ns() // 1_000_000))

    async def enter(self, room_id: RoomId, entries: Sequence[Entry], *, lives: timedelta) -> PresenceState:
        for entry in entries:
            self.entries[room_id][entry.connection_id] = entry, time.monotonic() + lives.total_seconds()
        return await self.look(room_id)

    async def keep(self, room_id: RoomId, entries: Sequence[Entry], *, lives: timedelta) -> PresenceState:
        there = [entry for entry in entries if entry.connection_id in self.entries[room_id]]
        return await self.enter(room_id, there, lives=lives)

    async def look(self, room_id: RoomId) -> PresenceState:
        now = time.monotonic()
        alive = {key: (entry, end) for key, (entry, end) in self.entries[room_id].items() if end > now}
        self.entries[room_id] = alive
        before, after = self.members[room_id], {str(entry.member.id): entry.member for entry, _ in alive.values()}
        joins = [after[key] for key in after.keys() - before.keys()]
        leaves = [before[key] for key in before.keys() - after.keys()]
        self.members[room_id] = after
        if joins or leaves:
            self.versions[room_id] += 1
            diff = {
                "type": "presence_diff",
                "room_id": str(room_id),
                "version": self.versions[room_id],
                "joins": [{"id": str(one.id), "name": one.name} for one in joins],
                "leaves": [{"id": str(one.id), "name": one.name} for one in leaves],
            }
            await self.bus.note(room_id, LiveNote(kind=NoteKind.PRESENCE, body=compact(diff)))
        members = tuple(after[key] for key in sorted(after))
        return PresenceState(version=self.versions[room_id], members=members)

"""The connections of this process as they stand in the rooms' presence."""

import asyncio
import itertools
from datetime import timedelta
from random import SystemRandom
from typing import Final

import structlog
from attrs import define, field

from application.errors import CacheUnavailable
from application.ports.presence import Entry, Presence, PresenceState
from domain.ids import RoomId

log = structlog.get_logger(__name__)

LIVES: Final = timedelta(seconds=60)
GRACE: Final = timedelta(seconds=15)  # for a connection that was lost to come back
LOOK_SECONDS: Final = (4.0, 6.0)  # how often those who fell silent are looked for
REFRESH_EVERY: Final = 5  # looks: about 25 seconds

_random = SystemRandom()


@define(eq=False)
class HubPresence:
    """Says again and again that the connections here are there, and finds those elsewhere that fell silent."""

    presence: Presence
    _here: dict[RoomId, dict[str, Entry]] = field(factory=dict)
    _leaving: set[asyncio.Task[None]] = field(factory=set)

    async def enter(self, room_id: RoomId, entry: Entry) -> PresenceState:
        """A connection is there. `CacheUnavailable`."""
        state = await self.presence.enter(room_id, [entry], lives=LIVES)
        self._here.setdefault(room_id, {})[entry.connection_id] = entry
        return state

    async def look(self, room_id: RoomId) -> PresenceState:
        """Who is there. `CacheUnavailable`."""
        return await self.presence.look(room_id)

    def leave(self, room_id: RoomId, entry: Entry, *, is_meant: bool) -> None:
        """A connection is gone: at once when that was meant, else after the grace. Never waits."""
        here = self._here.get(room_id, {})
        if here.pop(entry.connection_id, None) is None:
            return
        if not here:
            self._here.pop(room_id, None)
        task = asyncio.create_task(self._leave(room_id, entry, timedelta() if is_meant else GRACE))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def run(self) -> None:
        """Until it is cancelled."""
        for turn in itertools.count(1):
            await asyncio.sleep(_random.uniform(*LOOK_SECONDS))
            for room_id in list(self._here):
                entries = list(self._here.get(room_id, {}).values()) if turn % REFRESH_EVERY == 0 else []
                try:
                    await self.presence.enter(room_id, entries, lives=LIVES)
                except CacheUnavailable:
                    break  # the bus says so; it is tried again at the next turn

    async def aclose(self) -> None:
        """Wait for those who are leaving."""
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _leave(self, room_id: RoomId, entry: Entry, lives: timedelta) -> None:
        try:
            await self.presence.keep(room_id, [entry], lives=lives)
        except CacheUnavailable:
            log.info("presence_not_told")  # the entry ends by itself

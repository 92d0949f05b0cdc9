"""What keeps live rooms true while nobody looks: events that were committed and never told, and feeds left behind."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Final

from attrs import define, frozen

from application.errors import ApplicationError
from application.ports.live import LiveBus
from application.ports.system import Clock, Log
from application.ports.unit_of_work import UnitOfWorkFactory
from application.rooms_events import told
from application.rooms_feed import RoomFeeds
from domain.rooms import Room

SWEEP_SECONDS: Final = (0.2, 0.4)
CHECK_SECONDS: Final = (10.0, 20.0)
UNHEARD_SECONDS: Final = (0.5, 1.0)  # between checks while the bus is not heard
OVERLAP: Final = timedelta(seconds=5)  # an event may be committed that long after its time was taken
FIRST_LOOK: Final = timedelta(minutes=2)  # how far back a process that starts looks
_PAGE: Final = 500

_random = SystemRandom()


@define(eq=False)
class SweepRooms:
    """Tell what was committed and, since a process died or the bus was away, never told."""

    begin: UnitOfWorkFactory
    bus: LiveBus
    clock: Clock
    log: Log
    swept: int = 0  # events that were told late
    _since: datetime | None = None

    async def __call__(self) -> int:
        """How many events were told. An engine's error: the next sweep looks as far back as this one."""
        now = self.clock.now()
        since = now - FIRST_LOOK if self._since is None else self._since
        async with self.begin(None) as work:
            active = await work.rooms.active_since(since)
        tops = await self.bus.tops([room.id for room in active])
        count = 0
        for room in active:
            top = tops.get(room.id)
            if top is None or top.epoch != room.epoch:
                count += await self._tell(room, after=room.last_seq - 1)
            elif top.seq < room.last_seq:
                count += await self._tell(room, after=top.seq)
        self._since = now - OVERLAP
        self.swept += count
        return count

    async def _tell(self, room: Room, *, after: int) -> int:
        async with self.begin(None) as work:
            events = await work.rooms.events_after(room.id, after, limit=_PAGE)
        await self.bus.publish({room.id: [told(event) for event in events]})
        return len(events)


@frozen(kw_only=True)
class WatchRooms:
    """Sweep and check for as long as the process serves."""

    sweep: SweepRooms
    feeds: RoomFeeds
    log: Log

    async def run(self) -> None:
        """Until it is cancelled."""
        await asyncio.gather(
            self._repeat("rooms_not_swept", self.sweep, lambda: SWEEP_SECONDS),
            self._repeat(
                "rooms_not_checked",
                self.feeds.check_positions,
                lambda: CHECK_SECONDS if self.feeds.bus.is_hearing else UNHEARD_SECONDS,
            ),
        )

    async def _repeat(
        self, failure: str, work: Callable[[], Awaitable[object]], pause: Callable[[], tuple[float, float]]
    ) -> None:
        is_down = False
        while True:
            await asyncio.sleep(_random.uniform(*pause()))
            try:
                await work()
                is_down = False
            except ApplicationError as error:
                if not is_down:
                    self.log.warning(failure, reason=error.slug)
                is_down = True

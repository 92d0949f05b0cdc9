"""All connections of this process, and what keeps them true."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import SystemRandom
from typing import Final, Protocol

import structlog
from attrs import define, field

from application.errors import ApplicationError
from application.ports.rooms import Admission
from application.ports.system import Clock
from application.rooms_access import CheckStanding
from application.rooms_feed import RoomFeeds
from application.rooms_sweep import WatchRooms
from domain.ids import ApiKeyId, RoomId, SessionId, UserId
from entrypoints.websocket.errors import CloseCode
from entrypoints.websocket.presence import HubPresence

log = structlog.get_logger(__name__)

MAX_CONNECTIONS: Final = 20_000  # of a process
MAX_PER_USER: Final = 64
STANDING_SECONDS: Final = (0.5, 0.8)  # how often the database is asked who may still be here
TICK_SECONDS: Final = 0.5
DRAIN_BATCHES: Final = 10
DRAIN_SECONDS: Final = 2.0
RECONNECT_SPREAD_MS: Final = 5000

_random = SystemRandom()


class Connection(Protocol):
    """What the hub asks of a connection."""

    @property
    def id(self) -> str:
        """As its client was told."""
        ...

    @property
    def user_id(self) -> UserId | None:
        """Who is connected; None before that is known."""
        ...

    @property
    def session_id(self) -> SessionId | None:
        """The login session that vouches for them."""
        ...

    @property
    def api_key_id(self) -> ApiKeyId | None:
        """Or the API key that does."""
        ...

    @property
    def places(self) -> list[RoomId]:
        """The rooms that are read."""
        ...

    def tick(self, now: float) -> None:
        """Look at the clock (seconds of the loop)."""
        ...

    def admit(self, room_id: RoomId, admission: Admission | None) -> None:
        """What holds of a room now; None: they may not be there any more."""
        ...

    def end(self, code: CloseCode, reason: str, *, reconnect_after_ms: int = 0) -> None:
        """Say why and close. Never waits."""
        ...


@define(eq=False)
class Hub:
    """Connections by user, and the loops that look after them. `run` goes on while the process serves."""

    feeds: RoomFeeds
    watch: WatchRooms
    standing: CheckStanding
    presence: HubPresence
    clock: Clock
    observe: Callable[[str], None]  # counts an event by its name
    is_draining: bool = False
    _connections: set[Connection] = field(factory=set)
    _of_user: Counter[UserId] = field(factory=Counter)
    _emptied: asyncio.Event = field(factory=asyncio.Event)

    def add(self, connection: Connection) -> CloseCode | None:
        """Take it in, or the code with which it is to be closed."""
        if self.is_draining:
            return CloseCode.SHUTDOWN
        if len(self._connections) >= MAX_CONNECTIONS:
            return CloseCode.TOO_MANY_REQUESTS
        self._connections.add(connection)
        return None

    def claim(self, user_id: UserId) -> bool:
        """Count a connection of the user; False when they have as many as they may."""
        if self._of_user[user_id] >= MAX_PER_USER:
            return False
        self._of_user[user_id] += 1
        return True

    def remove(self, connection: Connection) -> None:
        """It is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._emptied.set()
        if (user_id := connection.user_id) is not None:
            self._of_user[user_id] -= 1
            if self._of_user[user_id] <= 0:
                del self._of_user[user_id]

    @property
    def active(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    async def run(self) -> None:
        """Until it is cancelled."""
        await asyncio.gather(self.watch.run(), self.presence.run(), self._tick(), self._keep_standing())

    async def drain(self) -> None:
        """Ask everybody to come again elsewhere, a few at a time and each after a pause of its own."""
        self.is_draining = True
        leaving = list(self._connections)
        self._emptied.clear()
        size = max(1, -(-len(leaving) // DRAIN_BATCHES))
        for start in range(0, len(leaving), size):
            for connection in leaving[start : start + size]:
                pause = _random.randrange(RECONNECT_SPREAD_MS)
                connection.end(CloseCode.SHUTDOWN, "The server restarts.", reconnect_after_ms=pause)
            if start + size < len(leaving):
                await asyncio.sleep(_random.uniform(0.5, 1.5) * DRAIN_SECONDS / DRAIN_BATCHES)
        if self._connections:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._emptied.wait()

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = loop.time()
            for connection in tuple(self._connections):
                connection.tick(now)

    async def _keep_standing(self) -> None:
        is_down = False
        while True:
            await asyncio.sleep(_random.uniform(*STANDING_SECONDS))
            try:
                await self.check_standing()
                is_down = False
            except ApplicationError as error:
                if not is_down:
                    log.warning("standing_unknown", reason=error.slug)
                is_down = True

    async def check_standing(self) -> None:
        """End connections whose session ended, and readings of rooms that may not be read any more."""
        connections = tuple(self._connections)
        sessions = {one.session_id for one in connections if one.session_id is not None}
        asked = [(one, room_id, one.user_id) for one in connections for room_id in one.places]
        places = {(room_id, user_id) for _, room_id, user_id in asked if user_id is not None}
        keys = {one.api_key_id for one in connections if one.api_key_id is not None}
        if not (sessions or keys or places):
            return
        standing = await self.standing(sessions, keys, places)
        for connection in connections:
            session_id, key_id = connection.session_id, connection.api_key_id
            if (session_id in sessions and session_id not in standing.sessions) or (
                key_id in keys and key_id not in standing.api_keys
            ):
                self.observe("session_ended")
                connection.end(CloseCode.INVALID_TOKEN, "The login session or key has ended.")
        for connection, room_id, user_id in asked:
            if user_id is not None:
                connection.admit(room_id, standing.admissions.get((room_id, user_id)))

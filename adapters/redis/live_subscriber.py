"""The one subscribing connection of a process.

It is a connection of our own and not the library's `PubSub`: that one connects anew and subscribes again without a
word, and who listens would never know that something may have been missed.
"""

import asyncio
import math
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import structlog
from redis.asyncio import RedisCluster

from adapters.redis.client import RedisClient, end, redis_errors
from application.errors import CacheUnavailable

log = structlog.get_logger(__name__)

CONFIRM_SECONDS: Final = 5.0  # longest wait for the engine's confirmation
PROBE_SECONDS: Final = 1.5  # between two probes, and the time in which one must be heard
_FIRST_RETRY: Final = 0.05
_LAST_RETRY: Final = 1.0


class Subscriber:
    """Subscribes to channels, and gives what is told on them to `heard`, in order.

    - A subscription counts from the engine's confirmation on.
    - A connection that breaks is made again; when all subscriptions stand again, `missed` is called.
    - Every `probe_seconds` the process tells itself something. A connection on which that is not heard is deaf, is
      counted, and is given up for a new one.
    """

    def __init__(
        self,
        client: RedisClient,
        *,
        heard: Callable[[str, bytes], None],
        missed: Callable[[], None],
        probe_seconds: float = PROBE_SECONDS,
    ) -> None:
        self._client = client
        self._heard = heard
        self._missed = missed
        self._probe_seconds = probe_seconds
        self._probe_channel = f"live:probe:{uuid4().hex}"
        self._probed = asyncio.Event()
        self._wanted: dict[str, asyncio.Future[None]] = {}  # channel → confirmed
        self._connection: Any = None
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stands = False
        self.connects = 0
        self.deaf = 0

    @property
    def stands(self) -> bool:
        """Whether every subscription is heard, as far as is known."""
        return self._stands

    async def subscribe(self, channel: str) -> None:
        """Return when the engine has confirmed it; `CacheUnavailable` when it does not within five seconds."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="live-subscriber")
        confirmed = self._wanted.get(channel)
        if confirmed is None:
            confirmed = self._wanted[channel] = asyncio.get_running_loop().create_future()
            await self._send("SUBSCRIBE", channel)
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                await asyncio.shield(confirmed)
        except TimeoutError as error:
            raise CacheUnavailable("Redis did not confirm a subscription.") from error

    async def unsubscribe(self, channel: str) -> None:
        """Hear no more of it."""
        if (confirmed := self._wanted.pop(channel, None)) is not None:
            confirmed.cancel()
            await self._send("UNSUBSCRIBE", channel)

    async def aclose(self) -> None:
        """End the connection."""
        if self._task is not None:
            await end(self._task)
        for confirmed in self._wanted.values():
            confirmed.cancel()

    async def _send(self, *words: str) -> None:
        """Send to the present connection; without one, the next one subscribes to all that is wanted."""
        connection = self._connection
        if connection is None:
            return
        try:
            async with self._sending:
                with redis_errors():
                    await connection.send_command(*words)
        except CacheUnavailable:
            await connection.disconnect(nowait=True)  # its reader sees that and connects again

    async def _run(self) -> None:
        pause = _FIRST_RETRY
        while True:
            before = self.connects
            try:
                await self._serve()
            except CacheUnavailable as error:
                log.warning("live_connection_lost", reason=error.message)
            pause = _FIRST_RETRY if self.connects > before else min(pause * 2, _LAST_RETRY)
            await asyncio.sleep(pause)

    async def _serve(self) -> None:
        """Connect, subscribe to everything, and hear until the connection is lost or deaf."""
        connection = await self._connect()
        try:
            with redis_errors():
                await connection.connect()
                for channel, confirmed in list(self._wanted.items()):
                    if confirmed.done():
                        self._wanted[channel] = asyncio.get_running_loop().create_future()
                async with self._sending:
                    self._connection = connection  # who subscribes from here on sends for themselves
                    await connection.send_command("SUBSCRIBE", self._probe_channel, *self._wanted)
            await self._hear(connection)
        finally:
            self._stands, self._connection = False, None
            await connection.disconnect(nowait=True)

    async def _hear(self, connection: Any) -> None:
        reading = asyncio.create_task(self._read(connection))
        try:
            await self._confirm_all(reading)
            self._stands = not reading.done()
            self.connects += 1
            if self.connects > 1:
                log.info("live_connection_made", channels=len(self._wanted))
                self._missed()
            await self._probe(reading)
        finally:
            await end(reading)
        if not reading.cancelled() and (failure := reading.exception()) is not None:
            raise failure

    async def _connect(self) -> Any:
        if isinstance(self._client, RedisCluster):  # plain channels are told on every node
            with redis_errors():
                await self._client.initialize()
            node = self._client.get_random_node()
            return node.connection_class(**node.connection_kwargs)
        return self._client.connection_pool.make_connection()  # type: ignore[no-untyped-call]

    async def _confirm_all(self, reading: "asyncio.Task[None]") -> None:
        unconfirmed: set[asyncio.Future[None]] = {one for one in self._wanted.values() if not one.done()}
        if not unconfirmed:
            return
        confirmed = asyncio.ensure_future(asyncio.wait(unconfirmed))
        both: set[asyncio.Future[Any]] = {confirmed, reading}
        await asyncio.wait(both, timeout=CONFIRM_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        confirmed.cancel()
        if not reading.done() and not all(one.done() for one in unconfirmed):
            raise CacheUnavailable("Redis did not confirm the subscriptions.")

    async def _probe(self, reading: "asyncio.Task[None]") -> None:
        """Return when the reader ended; `CacheUnavailable` when the connection does not hear what is told."""
        while not reading.done():
            self._probed.clear()
            try:
                with redis_errors():
                    await self._client.publish(self._probe_channel, b"")
            except CacheUnavailable:
                await asyncio.wait({reading}, timeout=self._probe_seconds)
                continue
            heard = asyncio.create_task(self._probed.wait())
            either: set[asyncio.Future[Any]] = {heard, reading}
            await asyncio.wait(either, timeout=self._probe_seconds, return_when=asyncio.FIRST_COMPLETED)
            heard.cancel()
            if not self._probed.is_set() and not reading.done():
                self.deaf += 1
                log.warning("live_connection_deaf")
                raise CacheUnavailable("The subscribing connection hears nothing.")
            await asyncio.wait({reading}, timeout=self._probe_seconds)

    async def _read(self, connection: Any) -> None:
        while True:
            with redis_errors():
                kind, channel, data = await connection.read_response(
                    timeout=math.inf, disconnect_on_error=False, push_request=True
                )
            name = channel.decode()
            if kind == b"message":
                if name == self._probe_channel:
                    self._probed.set()
                else:
                    self._heard(name, data)
            elif kind == b"subscribe" and (confirmed := self._wanted.get(name)) is not None and not confirmed.done():
                confirmed.set_result(None)

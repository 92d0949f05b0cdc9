"""One subscription of this process that tells which runs have news."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog

from adapters.redis.client import RedisClient, end

log = structlog.get_logger(__name__)

_RETRY_SECONDS: Final = 1.0


class Wakeups:
    """Sets an event when something is published on its channel, over one connection for all channels.

    Delivery is at most once: what was published while the connection was away is lost, so a waiter looks for
    itself from time to time as well. The connection exists only while somebody listens.
    """

    def __init__(self, client: RedisClient) -> None:
        self._client = client
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def listen(self, channel: str) -> Iterator[asyncio.Event]:
        """An event that is set at each message; the listener clears it."""
        event = asyncio.Event()
        self._waiting.setdefault(channel, set()).add(event)
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield event
        finally:
            self._waiting[channel].discard(event)
            if not self._waiting[channel]:
                del self._waiting[channel]
            self._changed.set()

    async def aclose(self) -> None:
        """End the connection."""
        if self._task is not None:
            await end(self._task)

    async def _run(self) -> None:
        while self._waiting:
            try:
                await self._serve()
            except Exception as error:  # noqa: BLE001 whatever broke, listeners still look for themselves
                log.info("wakeups_lost", reason=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _serve(self) -> None:
        """Keep the subscriptions equal to those who wait, until nobody does."""
        async with self._client.pubsub(ignore_subscribe_messages=True) as pubsub:
            subscribed: set[str] = set()
            reader: asyncio.Task[None] | None = None
            try:
                while self._waiting:
                    self._changed.clear()
                    wanted = set(self._waiting)
                    if new := wanted - subscribed:
                        await pubsub.subscribe(*new)
                    if old := subscribed - wanted:
                        await pubsub.unsubscribe(*old)
                    subscribed = wanted
                    self._wake(*new)  # they may have missed what came before the subscription
                    if reader is None:
                        reader = asyncio.create_task(self._read(pubsub))
                    changed = asyncio.create_task(self._changed.wait())
                    await asyncio.wait({reader, changed}, return_when=asyncio.FIRST_COMPLETED)
                    changed.cancel()
                    if reader.done():
                        reader.result()
            finally:
                if reader is not None:
                    await end(reader)

    async def _read(self, pubsub: Any) -> None:
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=None)
            if message is not None:
                self._wake(message["channel"].decode())

    def _wake(self, *channels: str) -> None:
        for channel in channels:
            for event in self._waiting.get(channel, ()):
                event.set()

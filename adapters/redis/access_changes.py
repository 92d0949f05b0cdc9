"""Announcements of changed rights over Redis' publish and subscribe."""

import asyncio
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import structlog

from adapters.redis.client import RedisClient, end, redis_errors
from application.errors import CacheUnavailable
from application.ports.access import AccessChanges, Listener

log = structlog.get_logger(__name__)

CHANNEL: Final = "access-changes"
_RETRY_SECONDS: Final = 0.5
_PUBLISH_SECONDS: Final = 0.5  # an engine that hangs must not hold up who logs out
_CONFIRM_SECONDS: Final = 5.0
_ID_BYTES: Final = 16


class RedisAccessChanges(AccessChanges):
    """One subscription a process, begun when somebody first asks whether it is live; `aclose()` ends it.

    A message is the subjects' ids, 16 bytes each.
    """

    def __init__(self, client: RedisClient, *, channel: str = CHANNEL) -> None:
        self._client = client
        self._channel = channel
        self._listeners: list[Listener] = []
        self._task: asyncio.Task[None] | None = None
        self._is_live = False
        self._is_closed = False

    @property
    def is_live(self) -> bool:
        """Whether the subscription stands."""
        if self._task is None and not self._is_closed:
            self._task = asyncio.create_task(self._run())
        return self._is_live

    async def announce(self, *subjects: UUID) -> None:
        """Tell this process's listeners, then publish."""
        self._tell(frozenset(subjects))
        try:
            with redis_errors():
                async with asyncio.timeout(_PUBLISH_SECONDS):
                    await self._client.publish(self._channel, b"".join(subject.bytes for subject in subjects))
        except CacheUnavailable as error:
            log.warning("access_change_not_spread", reason=error.message)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call it at each announcement."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def aclose(self) -> None:
        """End the subscription."""
        self._is_closed = True
        if self._task is not None:
            await end(self._task)

    async def _run(self) -> None:
        while True:
            try:
                with redis_errors():
                    await self._serve()
            except CacheUnavailable as error:
                log.info("access_changes_lost", reason=error.message)
            finally:
                self._is_live = False
                self._tell(None)
            await asyncio.sleep(_RETRY_SECONDS)

    async def _serve(self) -> None:
        async with self._client.pubsub() as pubsub:
            await pubsub.subscribe(self._channel)
            async with asyncio.timeout(_CONFIRM_SECONDS):
                while (await self._next(pubsub))["type"] != "subscribe":
                    pass
            self._tell(None)  # what was announced before the subscription was missed
            self._is_live = True
            while True:
                message = await self._next(pubsub)
                if message["type"] == "message":
                    self._tell(_subjects(message["data"]))
                elif message["type"] == "subscribe":  # redis-py had to connect anew: a gap
                    self._tell(None)

    @staticmethod
    async def _next(pubsub: Any) -> dict[str, Any]:
        while True:
            message: dict[str, Any] | None = await pubsub.get_message(timeout=None)
            if message is not None:
                return message

    def _tell(self, subjects: frozenset[UUID] | None) -> None:
        for listener in tuple(self._listeners):
            listener(subjects)


def _subjects(data: bytes) -> frozenset[UUID] | None:
    """The ids of a message; None, which means everybody, for one that another version sent."""
    if not data or len(data) % _ID_BYTES:
        return None
    return frozenset(UUID(bytes=data[at : at + _ID_BYTES]) for at in range(0, len(data), _ID_BYTES))

"""The log of answers being written, in Redis streams."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from attrs import define, field

from adapters.redis.client import RedisClient, end, redis_errors
from adapters.redis.wakeups import Wakeups
from application.errors import CacheUnavailable, ConcurrentChange
from application.ports.runs import RunEvent, RunLog
from domain.ids import MessageId

KEPT: Final = timedelta(hours=1)
_BATCH: Final = 500  # events fetched at a time
_LOOK_SECONDS: Final = 1.0  # how often a follower looks without being woken
_APPEND: Final = Path(__file__).with_name("append.lua").read_text(encoding="utf-8")


class RedisRuns(RunLog):
    """A stream for each run, whose entry ids are the events' offsets.

    All readers of one run in this process share a follower, which fetches each event once, and all followers
    share one subscription; so two hundred readers hold two connections, not two hundred. `aclose()` ends them.
    """

    def __init__(self, client: RedisClient, *, namespace: str = "run:", kept: timedelta = KEPT) -> None:
        self._client = client
        self._namespace = namespace
        self._kept = kept
        self._append = client.register_script(_APPEND)
        self._wakeups = Wakeups(client)
        self._followers: dict[MessageId, _Follower] = {}

    async def append(self, message_id: MessageId, events: Sequence[RunEvent]) -> int:
        """Add consecutive events, in one step; how many the log holds now."""
        key = self._key(message_id)
        flat: list[str | int] = [max(1, int(self._kept.total_seconds())), key]
        for event in events:
            flat += [event.offset, event.name, json.dumps(dict(event.data), ensure_ascii=False, separators=(",", ":"))]
        with redis_errors():
            count = int(await self._append(keys=[key], args=flat))
        if count < 0:
            raise ConcurrentChange("The run was ended by somebody else.")
        return count

    async def read(self, message_id: MessageId, *, after: int = 0) -> AsyncIterator[RunEvent]:
        """Events with a greater offset, until the last one."""
        follower = self._followers.get(message_id)
        if follower is None or follower.is_over:
            follower = self._followers[message_id] = _Follower()
            follower.task = asyncio.create_task(self._follow(message_id, follower))
        follower.readers += 1
        try:
            position = max(after, 0)
            while await follower.has_more_than(position):
                event = follower.events[position]
                position += 1
                yield event
        finally:
            follower.readers -= 1
            if not follower.readers:
                await follower.stop()
                if self._followers.get(message_id) is follower:
                    del self._followers[message_id]

    async def stored(self, message_id: MessageId) -> list[RunEvent]:
        """The events that there are at this moment."""
        with redis_errors():
            entries = await self._client.xrange(self._key(message_id))
        return [_event(entry_id, fields) for entry_id, fields in entries or []]

    async def aclose(self) -> None:
        """End followers and the subscription; the client stays open, it is not ours."""
        for follower in list(self._followers.values()):
            await follower.stop()
        await self._wakeups.aclose()

    async def _follow(self, message_id: MessageId, follower: "_Follower") -> None:
        try:
            await self._fetch(self._key(message_id), follower)
        except CacheUnavailable as error:
            await follower.finish(error)
        else:
            await follower.finish(None)

    async def _fetch(self, key: str, follower: "_Follower") -> None:
        """Fetch events until the last one, or until the run is gone."""
        with self._wakeups.listen(key) as news:
            while not (follower.has_last or follower.is_over):
                news.clear()
                with redis_errors():
                    entries = await self._client.xrange(key, min=f"{len(follower.events) + 1}-0", count=_BATCH)
                    if not entries and not await self._client.exists(key):
                        return
                if entries:
                    await follower.add([_event(entry_id, fields) for entry_id, fields in entries])
                else:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_SECONDS):
                            await news.wait()

    def _key(self, message_id: MessageId) -> str:
        return f"{self._namespace}{message_id}"


@define(eq=False)
class _Follower:
    """The events of one run fetched so far, for all its readers in this process."""

    events: list[RunEvent] = field(factory=list)  # the event of an offset is at offset - 1
    readers: int = 0
    is_over: bool = False
    error: CacheUnavailable | None = None
    task: asyncio.Task[None] | None = None
    moved: asyncio.Condition = field(factory=asyncio.Condition)

    @property
    def has_last(self) -> bool:
        return bool(self.events) and self.events[-1].is_last

    async def has_more_than(self, count: int) -> bool:
        """Wait until there are more than `count` events; False when there never will be."""
        async with self.moved:
            await self.moved.wait_for(lambda: len(self.events) > count or self.is_over)
        if len(self.events) > count:
            return True
        if self.error is not None:
            raise CacheUnavailable(self.error.message) from self.error
        return False

    async def add(self, events: list[RunEvent]) -> None:
        async with self.moved:
            self.events.extend(events)
            self.moved.notify_all()

    async def finish(self, error: CacheUnavailable | None) -> None:
        async with self.moved:
            self.is_over, self.error = True, error
            self.moved.notify_all()

    async def stop(self) -> None:
        self.is_over = True
        if self.task is not None:
            await end(self.task)


def _event(entry_id: Any, fields: Any) -> RunEvent:
    return RunEvent(
        offset=int(entry_id.partition(b"-")[0]), name=fields[b"name"].decode(), data=json.loads(fields[b"data"])
    )

"""The log of answers in memory."""

import asyncio
import json
from collections.abc import AsyncIterator

from application.errors import CacheUnavailable
from application.ports.runs import RunEvent, RunLog
from domain.ids import MessageId


class FakeRuns(RunLog):
    """Lists of events, kept for ever. `is_down` makes every call fail; `forget` is what time does to a run."""

    def __init__(self) -> None:
        self._events: dict[MessageId, list[RunEvent]] = {}
        self._cancelled: set[MessageId] = set()
        self._moved = asyncio.Condition()
        self.is_down = False

    async def append(self, message_id: MessageId, event: RunEvent) -> None:
        self._check()
        events = self._events.get(message_id, [])
        if event.offset <= len(events):
            return
        if event.offset != len(events) + 1:
            raise CacheUnavailable("Earlier events of this run are lost, so its log cannot go on.")
        stored = RunEvent(offset=event.offset, name=event.name, data=json.loads(json.dumps(dict(event.data))))
        async with self._moved:
            self._events.setdefault(message_id, []).append(stored)
            self._moved.notify_all()

    async def read(self, message_id: MessageId, *, after: int = 0) -> AsyncIterator[RunEvent]:
        position = max(after, 0)
        while True:
            self._check()
            events = self._events.get(message_id, [])
            if position < len(events):
                position += 1
                yield events[position - 1]
            elif not events or events[-1].is_last:
                return
            else:
                async with self._moved:
                    await self._moved.wait()

    async def request_cancel(self, message_id: MessageId) -> None:
        self._check()
        self._cancelled.add(message_id)

    async def cancel_requested(self, message_id: MessageId) -> bool:
        self._check()
        return message_id in self._cancelled

    async def forget(self, message_id: MessageId) -> None:
        async with self._moved:
            self._events.pop(message_id, None)
            self._moved.notify_all()

    def _check(self) -> None:
        if self.is_down:
            raise CacheUnavailable("The engine is down.")

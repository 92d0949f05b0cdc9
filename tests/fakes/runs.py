"""The log of answers in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence

from application.errors import CacheUnavailable, ConcurrentChange
from application.ports.runs import RunEvent, RunLog
from domain.ids import MessageId


class FakeRuns(RunLog):
    """Lists of events, kept for ever. `down` makes every call fail; `forget` is what time does to a run."""

    def __init__(self) -> None:
        self.runs: dict[MessageId, list[RunEvent]] = {}
        self.down = False
        self._moved = asyncio.Condition()

    async def append(self, message_id: MessageId, events: Sequence[RunEvent]) -> int:
        self._check()
        stored = list(self.runs.get(message_id, []))
        for event in events:
            if event.offset <= len(stored):
                continue
            if event.offset != len(stored) + 1:
                break
            if stored and stored[-1].is_last:
                raise ConcurrentChange("The run was ended.")
            data = json.loads(json.dumps(dict(event.data)))
            stored.append(RunEvent(offset=event.offset, name=event.name, data=data))
        async with self._moved:
            if stored:
                self.runs[message_id] = stored
            self._moved.notify_all()
        return len(stored)

    async def read(self, message_id: MessageId, *, after: int = 0) -> AsyncIterator[RunEvent]:
        position = max(after, 0)
        while True:
            self._check()
            events = self.runs.get(message_id, [])
            if position < len(events):
                position += 1
                yield events[position - 1]
            elif not events or events[-1].is_last:
                return
            else:
                async with self._moved:
                    await self._moved.wait()

    async def stored(self, message_id: MessageId) -> list[RunEvent]:
        self._check()
        return list(self.runs.get(message_id, []))

    async def forget(self, message_id: MessageId) -> None:
        async with self._moved:
            self.runs.pop(message_id, None)
            self._moved.notify_all()

    async def fail(self) -> None:
        """The engine goes down, and who waits notices."""
        async with self._moved:
            self.down = True
            self._moved.notify_all()

    def _check(self) -> None:
        if self.down:
            raise CacheUnavailable("redis://10.0.0.8 does not answer")

"""The live bus on Redis: a script that lets events out in order, a hot copy, and publish/subscribe."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import structlog
from redis.asyncio import RedisCluster

from adapters.redis.client import RedisClient, redis_errors
from adapters.redis.live_subscriber import PROBE_SECONDS, Subscriber
from application.ports.live import LiveBus, LiveEvent, LiveGap, LiveListener, LiveMessage, LiveNote, LiveTop, NoteKind
from domain.ids import RoomId

log = structlog.get_logger(__name__)

KEPT_EVENTS: Final = 256  # in the hot copy of a room
KEPT: Final = timedelta(days=1)
PEN_KEPT: Final = timedelta(minutes=1)
_PUBLISH: Final = Path(__file__).with_name("live_publish.lua").read_text(encoding="utf-8")
_CODES: Final = {kind: kind.value[0].upper().encode() for kind in NoteKind}  # S, P, D, C, R; E is an event
_KINDS: Final = {code: kind for kind, code in _CODES.items()}


class RedisBus(LiveBus):
    """Keeps the promises of `LiveBus`. All rooms of a process share one subscribing connection; `aclose()` ends it."""

    def __init__(self, client: RedisClient, *, namespace: str = "live:", probe_seconds: float = PROBE_SECONDS) -> None:
        self._client = client
        self._namespace = namespace
        self._publish = client.register_script(_PUBLISH)
        self._listeners: dict[str, list[LiveListener]] = {}
        self.subscriber = Subscriber(client, heard=self._heard, missed=self._missed, probe_seconds=probe_seconds)

    @property
    def faults(self) -> dict[str, int]:
        """How often the subscribing connection was made anew, and how often because it was deaf."""
        return {"reconnected": max(0, self.subscriber.connects - 1), "deaf": self.subscriber.deaf}

    @property
    def is_hearing(self) -> bool:
        """Whether the subscriptions stand."""
        return self.subscriber.stands

    async def publish(self, events: Mapping[RoomId, Sequence[LiveEvent]]) -> None:
        """Tell committed events, of each room in order and of one epoch."""
        rooms = [(room_id, of_room) for room_id, of_room in events.items() if of_room]
        if isinstance(self._client, RedisCluster):  # a call stays in the slot of one room
            await asyncio.gather(*(self._let_out([one]) for one in rooms))
        elif rooms:
            await self._let_out(rooms)

    async def _let_out(self, rooms: Sequence[tuple[RoomId, Sequence[LiveEvent]]]) -> None:
        keys: list[str] = []
        words: list[str | int | bytes] = [KEPT_EVENTS, int(KEPT.total_seconds()), int(PEN_KEPT.total_seconds())]
        for room_id, events in rooms:
            channel = self._channel(room_id)
            keys += [f"{channel}:top", f"{channel}:pen", f"{channel}:hot"]
            words += [str(events[0].epoch), channel, len(events)]
            for event in events:
                words += [event.seq, event.body]
        with redis_errors():
            await self._publish(keys=keys, args=words)

    async def note(self, room_id: RoomId, note: LiveNote) -> None:
        """Tell those who listen at this moment."""
        with redis_errors():
            await self._client.publish(self._channel(room_id), _CODES[note.kind] + note.body)

    async def tops(self, room_ids: Sequence[RoomId]) -> dict[RoomId, LiveTop]:
        """Where each room stands; those that the engine does not know are left out."""
        if not room_ids:
            return {}
        with redis_errors():
            async with self._client.pipeline(transaction=False) as pipeline:
                for room_id in room_ids:
                    pipeline.hmget(f"{self._channel(room_id)}:top", ["epoch", "seq"])
                found = await pipeline.execute()
        return {
            room_id: LiveTop(seq=int(seq), epoch=UUID(epoch.decode()))
            for room_id, (epoch, seq) in zip(room_ids, found, strict=True)
            if epoch is not None
        }

    async def recent(self, room_id: RoomId, top: LiveTop, *, after: int) -> list[LiveEvent] | None:
        """The events after `after` up to `top` from the hot copy; None unless it holds every one."""
        count = top.seq - after
        if count <= 0:
            return []
        if count > KEPT_EVENTS or (await self.tops([room_id])).get(room_id, top).epoch != top.epoch:
            return None
        with redis_errors():
            found: Any = await self._client.xrange(
                f"{self._channel(room_id)}:hot", min=f"{after + 1}-0", max=f"{top.seq}-0"
            )
        events = [
            LiveEvent(seq=int(entry_id.partition(b"-")[0]), epoch=top.epoch, body=fields[b"body"])
            for entry_id, fields in found
        ]
        return events if len(events) == count else None

    async def subscribe(self, room_id: RoomId, listener: LiveListener) -> None:
        """From the return on the listener hears everything that is told in the room."""
        channel = self._channel(room_id)
        self._listeners.setdefault(channel, []).append(listener)
        try:
            await self.subscriber.subscribe(channel)
        except BaseException:
            await self.unsubscribe(room_id, listener)
            raise

    async def unsubscribe(self, room_id: RoomId, listener: LiveListener) -> None:
        """Hear no more."""
        channel = self._channel(room_id)
        listeners = self._listeners.get(channel, [])
        if listener in listeners:
            listeners.remove(listener)
        if not listeners and self._listeners.pop(channel, None) is not None:
            await self.subscriber.unsubscribe(channel)

    async def aclose(self) -> None:
        """End the subscribing connection; the client stays open, it is not ours."""
        await self.subscriber.aclose()

    def _heard(self, channel: str, data: bytes) -> None:
        message = _message(data)
        if message is not None:
            for listener in tuple(self._listeners.get(channel, ())):
                listener.hear(message)

    def _missed(self) -> None:
        for listeners in tuple(self._listeners.values()):
            for listener in tuple(listeners):
                listener.hear(LiveGap())

    def _channel(self, room_id: RoomId) -> str:
        return f"{self._namespace}{{{room_id}}}"  # braces: in a cluster the keys of a room lie together


def _message(data: bytes) -> LiveMessage | None:
    """What was told; None for what another version tells and this one does not know."""
    code = data[:1]
    if code == b"E":
        head, _, body = data.partition(b"\n")
        seq, epoch = head[1:].split(b" ")
        return LiveEvent(seq=int(seq), epoch=UUID(epoch.decode()), body=body)
    kind = _KINDS.get(code)
    if kind is None:
        log.warning("live_message_unknown", code=code.decode(errors="replace"))
        return None
    return LiveNote(kind=kind, body=data[1:])

"""The live bus in memory: one engine for any number of processes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from attrs import define, field

from application.errors import CacheUnavailable
from application.ports.live import LiveEvent, LiveGap, LiveListener, LiveMessage, LiveNote, LiveTop
from domain.ids import RoomId

HOT = 256


@define
class MemoryEngine:
    """What the engine of all processes holds."""

    down: bool = False
    tops: dict[RoomId, LiveTop] = field(factory=dict)
    hot: dict[RoomId, list[LiveEvent]] = field(factory=dict)
    pens: dict[RoomId, dict[int, LiveEvent]] = field(factory=dict)
    buses: "list[MemoryBus]" = field(factory=list)

    def flush(self) -> None:
        """Forget everything; subscriptions stand, as with FLUSHALL."""
        self.tops.clear()
        self.hot.clear()
        self.pens.clear()

    def restart(self) -> None:
        """Forget everything and break every connection for a moment."""
        self.flush()
        for bus in self.buses:
            bus.gap()


@define(eq=False)
class MemoryBus:
    """A LiveBus of one process. `deaf` makes it lose what it should hear, unnoticed."""

    engine: MemoryEngine = field(factory=MemoryEngine)
    deaf: bool = False
    _listeners: defaultdict[RoomId, list[LiveListener]] = field(factory=lambda: defaultdict(list))

    def __attrs_post_init__(self) -> None:
        self.engine.buses.append(self)

    @property
    def faults(self) -> dict[str, int]:
        return {}

    @property
    def is_hearing(self) -> bool:
        return not self.engine.down

    async def publish(self, events: Mapping[RoomId, Sequence[LiveEvent]]) -> None:
        self._check()
        for room_id, of_room in events.items():
            self._publish(room_id, of_room)

    def _publish(self, room_id: RoomId, events: Sequence[LiveEvent]) -> None:
        for event in events:
            top = self.engine.tops.get(room_id)
            if top is None or top.epoch != event.epoch:
                top = LiveTop(seq=event.seq - 1, epoch=event.epoch)
                self.engine.hot[room_id] = []
                self.engine.pens[room_id] = {}
            pen = self.engine.pens[room_id]
            if event.seq > top.seq:
                pen[event.seq] = event
            self.engine.tops[room_id] = top
            while (following := pen.pop(self.engine.tops[room_id].seq + 1, None)) is not None:
                self.engine.tops[room_id] = LiveTop(seq=following.seq, epoch=following.epoch)
                self.engine.hot[room_id] = [*self.engine.hot[room_id], following][-HOT:]
                self._tell(room_id, following)

    async def note(self, room_id: RoomId, note: LiveNote) -> None:
        self._check()
        self._tell(room_id, note)

    async def tops(self, room_ids: Sequence[RoomId]) -> dict[RoomId, LiveTop]:
        self._check()
        return {room_id: self.engine.tops[room_id] for room_id in room_ids if room_id in self.engine.tops}

    async def recent(self, room_id: RoomId, top: LiveTop, *, after: int) -> list[LiveEvent] | None:
        self._check()
        hot = [event for event in self.engine.hot.get(room_id, []) if after < event.seq <= top.seq]
        whole = [event.seq for event in hot] == list(range(after + 1, top.seq + 1))
        return hot if whole and all(event.epoch == top.epoch for event in hot) else None

    async def subscribe(self, room_id: RoomId, listener: LiveListener) -> None:
        self._check()
        self._listeners[room_id].append(listener)

    async def unsubscribe(self, room_id: RoomId, listener: LiveListener) -> None:
        if listener in self._listeners[room_id]:
            self._listeners[room_id].remove(listener)

    async def aclose(self) -> None:
        self._listeners.clear()

    def gap(self) -> None:
        for listeners in list(self._listeners.values()):
            for listener in list(listeners):
                listener.hear(LiveGap())

    def _tell(self, room_id: RoomId, message: LiveMessage) -> None:
        for bus in self.engine.buses:
            if not bus.deaf:
                for listener in list(bus._listeners[room_id]):
                    listener.hear(message)

    def _check(self) -> None:
        if self.engine.down:
            raise CacheUnavailable("redis://10.0.0.8 does not answer")

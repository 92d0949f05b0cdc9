"""The feed of one room in this process: in order, without gaps or repeats, for everybody who reads it here."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final, Protocol
from uuid import UUID

from attrs import define, evolve, field, frozen

from application.answer_reading import ReadAnswer
from application.errors import ApplicationError, CacheUnavailable
from application.ports.live import LiveBus, LiveEvent, LiveGap, LiveMessage, LiveNote, LiveTop
from application.ports.system import Log
from application.ports.unit_of_work import UnitOfWorkFactory
from application.rooms_chronicle import conversation_of
from application.rooms_events import told
from application.rooms_runs import RoomRuns, RunState
from domain.errors import NotFound
from domain.ids import MessageId, RoomId
from domain.rooms import EventKind

MAX_CATCH_UP: Final = 1000  # events that a returning reader is told at once
MAX_CATCH_UP_BYTES: Final = 768 * 1024  # of them together, so that they fit into one frame
_PAGE: Final = 500
_RETRY: Final = 0.5  # seconds between two tries to read the database
_HEAD: Final = 256  # bytes of a publication in which its kind stands
_STARTED: Final = EventKind.ANSWER_STARTED.value.encode()


class FeedReader(Protocol):
    """Somebody who reads a room. Neither method may wait or raise."""

    def tell(self, room_id: RoomId, message: LiveEvent | LiveNote) -> None:
        """The next thing in the room."""
        ...

    def drop(self, room_id: RoomId) -> None:
        """The feed ended, since what is missing cannot be had: join again."""
        ...


@frozen(kw_only=True)
class Since:
    """The youngest event that a reader has seen."""

    seq: int
    epoch: UUID


@frozen(kw_only=True)
class Joined:
    """Where a reader begins: after `seq`. `recovered`: `events` are all that they had missed until there."""

    seq: int
    epoch: UUID
    recovered: bool
    events: tuple[LiveEvent, ...] = ()
    runs: tuple[RunState, ...] = ()


@define
class FeedCounts:
    """What the feeds of a process went through."""

    holes: int = 0  # an event came before the one it follows
    gaps: int = 0  # the bus could not say what it had missed
    lags: int = 0  # a position check found events that were never told
    healed: int = 0  # events that were read from the database instead
    reads: int = 0  # reads of the database


@define(eq=False)
class RoomFeed:
    """One room's order as this process has seen it.

    The feed listens before it looks at the database, so that nothing falls between. It keeps the youngest events at
    hand without a gap up to its position; a reader joins in one step, between two events. Answers are followed from
    the event with which they start.
    """

    room_id: RoomId
    bus: LiveBus
    begin: UnitOfWorkFactory
    read: ReadAnswer
    log: Log
    counts: FeedCounts
    ended: "Callable[[RoomFeed], None]"  # called when the feed cannot go on
    users: int = 0  # readers, and those about to be
    position: int = -1
    epoch: UUID | None = None
    readers: set[FeedReader] = field(factory=set)
    _ring: deque[LiveEvent] = field(factory=deque)
    _ring_bytes: int = 0
    _is_behind: bool = False
    _healing: asyncio.Task[None] | None = None
    _covering: asyncio.Lock = field(factory=asyncio.Lock)
    runs: RoomRuns = field(init=False)

    @runs.default
    def _none_yet(self) -> RoomRuns:
        return RoomRuns(self.room_id, self.read, self.begin, self.log, self._note)

    @property
    def start(self) -> int:
        """The number before the oldest event at hand."""
        return self.position - len(self._ring)

    async def open(self) -> None:
        """Listen, then find out where the room stands. `NotFound`, or an engine's error."""
        await self.bus.subscribe(self.room_id, self)
        try:
            async with self.begin(None) as work:
                self.counts.reads += 1
                room = (await work.rooms.positions([self.room_id])).get(self.room_id)
                # looked at after the position: an answer that starts in between is found twice rather than never
                answers = await work.runs.written_in(conversation_of(self.room_id))
            await self.runs.take_up(answers)
        except BaseException:
            await self.runs.close()
            await self.bus.unsubscribe(self.room_id, self)
            raise
        if room is None:
            await self.bus.unsubscribe(self.room_id, self)
            raise NotFound("There is no such room.")
        self.position, self.epoch = room.last_seq, room.epoch
        if self._is_behind:  # something was told while the database was asked
            self._heal()

    async def close(self) -> None:
        """Listen no more."""
        await self.bus.unsubscribe(self.room_id, self)
        await self.runs.close()
        if self._healing is not None:
            self._healing.cancel()
            await asyncio.gather(self._healing, return_exceptions=True)

    def hear(self, message: LiveMessage) -> None:
        """Something was told on the bus."""
        if self.epoch is None:
            self._is_behind = True
        elif isinstance(message, LiveNote):
            self._note(message)
        elif isinstance(message, LiveGap):
            self.counts.gaps += 1
            self._heal()
        elif message.epoch == self.epoch and message.seq == self.position + 1:
            self._advance(message)
        elif message.epoch != self.epoch or message.seq > self.position:
            self.counts.holes += 1
            self._heal()

    def check(self, last_seq: int, epoch: UUID) -> None:
        """Compare with what the database says."""
        if epoch != self.epoch or last_seq > self.position:
            self.counts.lags += 1
            self._heal()

    async def cover(self, seq: int) -> None:
        """Have the events after `seq` at hand, where that is possible."""
        async with self._covering:
            if seq > self.position:
                self._heal()
                if self._healing is not None:
                    await asyncio.wait({self._healing}, timeout=2.0)
            for _ in range(3):  # the ring may have lost its oldest while others were read
                start = self.start
                if seq >= start or self.position - seq > MAX_CATCH_UP or self.epoch is None:
                    return
                older = await self._between(seq, start)
                if [event.seq for event in older] != list(range(seq + 1, start + 1)):
                    return  # retention was faster
                if self.start == start:
                    self._ring.extendleft(reversed(older))
                    self._ring_bytes += sum(len(event.body) for event in older)
                    return

    def join(self, reader: FeedReader, since: Since | None, runs: Mapping[MessageId, int]) -> Joined:
        """From this step on the reader is told what follows. In one step with `cover` and with the reply."""
        if self.epoch is None:
            raise CacheUnavailable("The room's feed began anew; join again.")
        self.readers.add(reader)
        joined = Joined(seq=self.position, epoch=self.epoch, recovered=False, runs=self.runs.states(runs))
        if since is None or since.epoch != self.epoch or not self.start <= since.seq <= self.position:
            return joined
        missed = tuple(islice(self._ring, since.seq - self.start, None))
        if len(missed) > MAX_CATCH_UP or sum(len(event.body) for event in missed) > MAX_CATCH_UP_BYTES:
            return joined
        self._trim()
        return evolve(joined, recovered=True, events=missed)

    def _advance(self, event: LiveEvent) -> None:
        self.position = event.seq
        self._ring.append(event)
        self._ring_bytes += len(event.body)
        self._trim()
        for reader in tuple(self.readers):
            reader.tell(self.room_id, event)
        if _STARTED in event.body[:_HEAD]:
            self._answer_started(event)

    def _answer_started(self, event: LiveEvent) -> None:
        frame = json.loads(event.body)
        if frame["kind"] == EventKind.ANSWER_STARTED:
            self.runs.began(MessageId(UUID(frame["data"]["message_id"])))

    def _note(self, note: LiveNote) -> None:
        for reader in tuple(self.readers):
            reader.tell(self.room_id, note)

    def _trim(self) -> None:
        while len(self._ring) > MAX_CATCH_UP or self._ring_bytes > MAX_CATCH_UP_BYTES:
            self._ring_bytes -= len(self._ring.popleft().body)

    def _heal(self) -> None:
        self._is_behind = True
        if self._healing is None or self._healing.done():
            self._healing = asyncio.create_task(self._catch_up(), name="room-heal")

    async def _catch_up(self) -> None:
        """Read what is missing until nothing is; one at a time for all readers of the room."""
        while self._is_behind:
            self._is_behind = False
            try:
                async with self.begin(None) as work:
                    self.counts.reads += 1
                    room = (await work.rooms.positions([self.room_id])).get(self.room_id)
                    events = await work.rooms.events_after(self.room_id, self.position, limit=_PAGE)
            except ApplicationError as error:
                self.log.warning("room_not_healed", room_id=str(self.room_id), reason=error.slug)
                self._is_behind = True
                await asyncio.sleep(_RETRY)
                continue
            if room is None or room.epoch != self.epoch:
                self._end()
                return
            for event in events:
                if event.seq == self.position + 1:
                    self.counts.healed += 1
                    self._advance(told(event))
                elif event.seq > self.position:
                    self._end()
                    return
            self._is_behind |= len(events) == _PAGE

    async def _between(self, after: int, until: int) -> list[LiveEvent]:
        """Events after one number up to another: from the hot copy, else from the database."""
        if self.epoch is None:
            return []
        try:
            hot = await self.bus.recent(self.room_id, LiveTop(seq=until, epoch=self.epoch), after=after)
        except CacheUnavailable:
            hot = None
        if hot is not None:
            return hot
        async with self.begin(None) as work:
            self.counts.reads += 1
            return [told(event) for event in await work.rooms.events_after(self.room_id, after, limit=until - after)]

    def _end(self) -> None:
        """What is missing cannot be had: begin anew, and let the readers do so."""
        self.log.warning("room_feed_ended", room_id=str(self.room_id), position=self.position)
        readers, self.readers = tuple(self.readers), set()
        self.epoch = None
        self.ended(self)
        for reader in readers:
            reader.drop(self.room_id)


@define(eq=False)
class RoomFeeds:
    """The feeds of the rooms that somebody reads in this process."""

    bus: LiveBus
    begin: UnitOfWorkFactory
    read: ReadAnswer
    log: Log
    counts: FeedCounts = field(factory=FeedCounts)
    _feeds: dict[RoomId, RoomFeed] = field(factory=dict)
    _opening: dict[RoomId, asyncio.Task[None]] = field(factory=dict)
    _closing: set[asyncio.Task[None]] = field(factory=set)

    async def join(
        self,
        room_id: RoomId,
        reader: FeedReader,
        since: Since | None = None,
        runs: Mapping[MessageId, int] | None = None,
    ) -> Joined:
        """Read a room from `since` on, and of each answer in `runs` what follows so many deltas.

        `NotFound`, `CacheUnavailable` or `DatabaseUnavailable`. The reader is told what follows from the very step in
        which this returns.
        """
        feed = self._feeds.get(room_id)
        if feed is None:
            feed = self._feeds[room_id] = RoomFeed(
                room_id, self.bus, self.begin, self.read, self.log, self.counts, ended=self._forget
            )
            self._opening[room_id] = asyncio.create_task(feed.open())
        feed.users += 1
        try:
            opening = self._opening.get(room_id)
            if opening is not None:
                await asyncio.shield(opening)
                self._opening.pop(room_id, None)
            if since is not None and since.epoch == feed.epoch:
                await feed.cover(since.seq)
            if runs:
                await feed.runs.cover(runs)
            return feed.join(reader, since, runs or {})
        except BaseException:
            feed.users -= 1
            if feed.users <= 0:
                self._forget(feed)
            raise

    def leave(self, room_id: RoomId, reader: FeedReader) -> None:
        """Read it no more."""
        feed = self._feeds.get(room_id)
        if feed is not None and reader in feed.readers:
            feed.readers.discard(reader)
            feed.users -= 1
            if feed.users <= 0:
                self._forget(feed)

    def position(self, room_id: RoomId) -> int:
        """The number of the youngest event that its readers here were told; 0 where nobody reads it."""
        feed = self._feeds.get(room_id)
        return 0 if feed is None else max(feed.position, 0)

    def rooms(self) -> list[RoomId]:
        """Those that are read here."""
        return list(self._feeds)

    def readers(self) -> int:
        """How many readers all rooms have together."""
        return sum(len(feed.readers) for feed in self._feeds.values())

    async def check_positions(self) -> None:
        """Compare every feed with the database: finds the last event that was never told. An engine's error."""
        if not self._feeds:
            return
        async with self.begin(None) as work:
            rooms = await work.rooms.positions(list(self._feeds))
        for room_id, room in rooms.items():
            feed = self._feeds.get(room_id)
            if feed is not None and feed.epoch is not None:
                feed.check(room.last_seq, room.epoch)

    async def aclose(self) -> None:
        """Listen to nothing any more."""
        for feed in list(self._feeds.values()):
            await feed.close()
        self._feeds.clear()
        await asyncio.gather(*self._closing, *self._opening.values(), return_exceptions=True)

    def _forget(self, feed: RoomFeed) -> None:
        if self._feeds.get(feed.room_id) is feed:
            del self._feeds[feed.room_id]
            self._opening.pop(feed.room_id, None)
            task = asyncio.create_task(feed.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

"""What every live bus promises, on the fake and on Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from uuid import UUID, uuid4

import pytest
from attrs import define, field, frozen

from adapters.redis.client import connect
from adapters.redis.live import RedisBus
from application.ports.live import LiveBus, LiveEvent, LiveGap, LiveMessage, LiveNote, LiveTop, NoteKind
from domain.ids import RoomId
from tests.fakes.live import MemoryBus, MemoryEngine

EPOCH = uuid4()
SLACK = 5.0  # seconds in which something that is told must be heard


@frozen
class Engine:
    """Two processes on one engine, and what may happen to it."""

    here: LiveBus
    there: LiveBus
    flush: Callable[[], Awaitable[None]]
    break_connections: Callable[[], Awaitable[None]]


@pytest.fixture
def fake_engine() -> Engine:
    engine = MemoryEngine()

    async def flush() -> None:
        engine.flush()

    async def break_connections() -> None:
        engine.restart()

    return Engine(MemoryBus(engine), MemoryBus(engine), flush, break_connections)


@pytest.fixture
async def redis_engine(clean_redis_url: str) -> AsyncIterator[Engine]:
    clients = [connect(clean_redis_url), connect(clean_redis_url)]
    here, there = (RedisBus(client, probe_seconds=0.3) for client in clients)

    async def flush() -> None:
        await clients[0].flushall()

    async def break_connections() -> None:
        await clients[0].execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    yield Engine(here, there, flush, break_connections)
    for bus, client in zip((here, there), clients, strict=True):
        await bus.aclose()
        await client.aclose()


@pytest.fixture(params=["fake", "redis"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found


@define(eq=False)
class Ear:
    """Remembers what it hears."""

    messages: list[LiveMessage] = field(factory=list)
    _news: asyncio.Event = field(factory=asyncio.Event)

    def hear(self, message: LiveMessage) -> None:
        self.messages.append(message)
        self._news.set()

    @property
    def seqs(self) -> list[int]:
        return [message.seq for message in self.messages if isinstance(message, LiveEvent)]

    async def until(self, wanted: Callable[["Ear"], bool]) -> None:
        async with asyncio.timeout(SLACK):
            while not wanted(self):
                self._news.clear()
                await self._news.wait()


def event(seq: int, epoch: UUID = EPOCH) -> LiveEvent:
    return LiveEvent(seq=seq, epoch=epoch, body=f'{{"seq":{seq},"text":"é\\n"}}'.encode())


@pytest.fixture
def room_id() -> RoomId:
    return RoomId(uuid4())


async def test_an_event_is_heard_on_every_process(engine: Engine, room_id: RoomId) -> None:
    """Whoever subscribed before it was told hears it, to the byte."""
    ears = Ear(), Ear()
    await engine.here.subscribe(room_id, ears[0])
    await engine.there.subscribe(room_id, ears[1])
    await engine.here.publish({room_id: [event(1)]})
    for ear in ears:
        await ear.until(lambda ear: ear.messages == [event(1)])


async def test_a_subscription_counts_from_its_return_on(engine: Engine, room_id: RoomId) -> None:
    """What is told right after it is heard, every time."""
    for seq in range(1, 30):
        ear = Ear()
        await engine.there.subscribe(room_id, ear)
        await engine.here.publish({room_id: [event(seq)]})
        await ear.until(lambda ear, seq=seq: ear.seqs == [seq])  # type: ignore[misc]
        await engine.there.unsubscribe(room_id, ear)


async def test_events_come_in_order_however_they_are_told(engine: Engine, room_id: RoomId) -> None:
    """Those ahead are held, those behind are dropped, repeats are told once."""
    ear = Ear()
    await engine.there.subscribe(room_id, ear)
    await engine.here.publish({room_id: [event(1)]})
    seqs = [*range(2, 40), *range(2, 40)]
    Random(7).shuffle(seqs)  # noqa: S311 an order that can be repeated
    for seq in seqs:
        await (engine.here if seq % 2 else engine.there).publish({room_id: [event(seq)]})
    await ear.until(lambda ear: len(ear.seqs) >= 39)

    assert ear.seqs == list(range(1, 40))
    assert await engine.here.tops([room_id, RoomId(uuid4())]) == {room_id: LiveTop(seq=39, epoch=EPOCH)}


async def test_several_events_at_once(engine: Engine, room_id: RoomId) -> None:
    """They are told in their order; those that were told before are left out."""
    ear = Ear()
    await engine.there.subscribe(room_id, ear)
    await engine.here.publish({room_id: []})
    await engine.here.publish({room_id: [event(5), event(6)]})
    await engine.here.publish({room_id: [event(4), event(5), event(6), event(7)]})
    await ear.until(lambda ear: 7 in ear.seqs)

    assert ear.seqs == [5, 6, 7]


async def test_several_rooms_at_once(engine: Engine, room_id: RoomId) -> None:
    """Each in its own order, those ahead held; one without events is left out."""
    other, empty = RoomId(uuid4()), RoomId(uuid4())
    ears = {room_id: Ear(), other: Ear(), empty: Ear()}
    for room, ear in ears.items():
        await engine.there.subscribe(room, ear)
    await engine.here.publish({room_id: [event(1), event(2)], empty: [], other: [event(7), event(9)]})
    await engine.here.publish({other: [event(8)], room_id: [event(3)]})
    await ears[room_id].until(lambda ear: len(ear.messages) == 3)
    await ears[other].until(lambda ear: len(ear.messages) == 3)

    assert (ears[room_id].seqs, ears[other].seqs, ears[empty].seqs) == ([1, 2, 3], [7, 8, 9], [])
    tops = await engine.here.tops([room_id, other, empty])
    assert {room: top.seq for room, top in tops.items()} == {room_id: 3, other: 9}


async def test_another_epoch_begins_anew(engine: Engine, room_id: RoomId) -> None:
    """Numbers of another epoch have nothing to do with those before; nothing of the old one is kept."""
    other = uuid4()
    ear = Ear()
    await engine.there.subscribe(room_id, ear)
    await engine.here.publish({room_id: [event(8), event(10)]})
    await engine.here.publish({room_id: [event(3, other)]})
    await engine.here.publish({room_id: [event(4, other)]})
    await ear.until(lambda ear: len(ear.messages) >= 3)

    assert ear.messages == [event(8), event(3, other), event(4, other)]
    top = LiveTop(seq=4, epoch=other)
    assert await engine.here.tops([room_id]) == {room_id: top}
    assert await engine.here.recent(room_id, top, after=2) == [event(3, other), event(4, other)]
    assert await engine.here.recent(room_id, LiveTop(seq=8, epoch=EPOCH), after=7) is None


async def test_the_hot_copy_is_whole_or_none(engine: Engine, room_id: RoomId) -> None:
    """All events after a number, or None where one is missing."""
    await engine.here.publish({room_id: [event(seq) for seq in range(3, 9)]})
    top = LiveTop(seq=8, epoch=EPOCH)

    assert await engine.there.recent(room_id, top, after=5) == [event(6), event(7), event(8)]
    assert await engine.there.recent(room_id, top, after=2) == [event(seq) for seq in range(3, 9)]
    assert await engine.there.recent(room_id, top, after=1) is None
    assert await engine.there.recent(room_id, top, after=8) == []
    assert await engine.there.recent(room_id, LiveTop(seq=9, epoch=EPOCH), after=5) is None
    assert await engine.there.recent(RoomId(uuid4()), top, after=5) is None


async def test_notes_are_heard_and_not_kept(engine: Engine, room_id: RoomId) -> None:
    """Every kind comes as it went."""
    notes = [LiveNote(kind=kind, body=b'{"a":"\n"}') for kind in NoteKind]
    ear = Ear()
    await engine.there.subscribe(room_id, ear)
    for note in notes:
        await engine.here.note(room_id, note)
    await ear.until(lambda ear: len(ear.messages) == len(notes))

    assert ear.messages == notes
    assert await engine.here.tops([room_id]) == {}


async def test_listeners_of_one_process_are_counted(engine: Engine, room_id: RoomId) -> None:
    """One that leaves takes the subscription from no other; leaving twice is harmless."""
    first, second, elsewhere = Ear(), Ear(), Ear()
    await engine.there.subscribe(room_id, first)
    await engine.there.subscribe(room_id, second)
    await engine.there.subscribe(RoomId(uuid4()), elsewhere)
    await engine.there.unsubscribe(room_id, first)
    await engine.there.unsubscribe(room_id, first)
    await engine.here.publish({room_id: [event(1)]})
    await second.until(lambda ear: ear.seqs == [1])

    assert first.messages == elsewhere.messages == []


async def test_after_a_flush_it_begins_with_what_comes(engine: Engine, room_id: RoomId) -> None:
    """The subscription stands, and numbers go on."""
    ear = Ear()
    await engine.there.subscribe(room_id, ear)
    await engine.here.publish({room_id: [event(1), event(2)]})
    await engine.flush()
    await engine.here.publish({room_id: [event(4)]})
    await engine.here.publish({room_id: [event(3)]})
    await engine.here.publish({room_id: [event(5)]})
    await ear.until(lambda ear: 5 in ear.seqs)

    assert ear.seqs == [1, 2, 4, 5]


async def test_a_broken_subscription_is_told(engine: Engine, room_id: RoomId) -> None:
    """It is made again, and the listener is told that it may have missed something."""
    ear = Ear()
    await engine.there.subscribe(room_id, ear)
    await engine.break_connections()
    await ear.until(lambda ear: LiveGap() in ear.messages)
    await engine.here.publish({room_id: [event(1)]})
    await ear.until(lambda ear: 1 in ear.seqs)

    assert engine.there.is_hearing


async def test_a_deaf_connection_is_given_up(redis_engine: Engine, room_id: RoomId) -> None:
    """A connection that stands and hears nothing is found by its probe, counted, and made anew."""
    bus = redis_engine.there
    assert isinstance(bus, RedisBus)
    ear = Ear()
    await bus.subscribe(room_id, ear)
    await bus.subscriber._connection.send_command("UNSUBSCRIBE")
    await ear.until(lambda ear: LiveGap() in ear.messages)
    await redis_engine.here.publish({room_id: [event(1)]})
    await ear.until(lambda ear: ear.seqs == [1])

    assert bus.subscriber.deaf == 1


async def test_a_deaf_connection_is_not_found_without_its_probe(clean_redis_url: str, room_id: RoomId) -> None:
    """The twin of the test before: what follows is never heard."""
    client = connect(clean_redis_url)
    bus = RedisBus(client, probe_seconds=3600)
    ear = Ear()
    await bus.subscribe(room_id, ear)
    await bus.subscriber._connection.send_command("UNSUBSCRIBE")
    await bus.publish({room_id: [event(1)]})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await ear.until(lambda ear: bool(ear.messages))
    is_hearing = bus.is_hearing
    await bus.aclose()
    await client.aclose()

    assert is_hearing  # as far as it knows

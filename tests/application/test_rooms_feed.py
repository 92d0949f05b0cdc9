"""Feeds of rooms: whatever happens to the bus, readers see every event once and in order."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from attrs import define, evolve, field

from adapters.system import SystemClock
from application import rooms_sweep
from application.answer_reading import ReadAnswer
from application.answer_runs import AnswerRuns
from application.conversation_access import ConversationAccess
from application.errors import CacheUnavailable
from application.ports.live import LiveEvent, LiveNote
from application.rooms_events import told
from application.rooms_feed import MAX_CATCH_UP, RoomFeed, RoomFeeds, Since
from application.rooms_retention import ForgetRoomEvents
from application.rooms_sweep import SweepRooms
from domain.ids import RoomId
from domain.rooms import Room
from tests.contracts.test_repositories_rooms import add_room, append, make_event
from tests.contracts.units import Team, Units, found_team
from tests.fakes.assembly_parts import RecordedLog
from tests.fakes.database import ROOMS
from tests.fakes.live import MemoryBus, MemoryEngine
from tests.fakes.runs import FakeRuns
from tests.fakes.unit_of_work import FakeUnitOfWorkFactory


@define(eq=False)
class Reader:
    """Remembers what it is told."""

    events: list[LiveEvent] = field(factory=list)
    dropped: int = 0

    def tell(self, room_id: RoomId, message: LiveEvent | LiveNote) -> None:
        if isinstance(message, LiveEvent):
            self.events.append(message)

    def drop(self, room_id: RoomId) -> None:
        self.dropped += 1

    @property
    def seqs(self) -> list[int]:
        return [event.seq for event in self.events]

    async def until(self, seq: int) -> None:
        async with asyncio.timeout(5):
            while seq not in self.seqs:  # noqa: ASYNC110 a poll with a deadline
                await asyncio.sleep(0)


def reading(begin: FakeUnitOfWorkFactory, log: RecordedLog) -> ReadAnswer:
    """Answers of a process that writes none."""
    runs = FakeRuns()
    return ReadAnswer(
        begin=begin, runs=AnswerRuns(begin=begin, log=runs, report=log), log=runs, access=ConversationAccess()
    )


@define
class World:
    """One room, an engine and two processes."""

    begin: FakeUnitOfWorkFactory
    engine: MemoryEngine
    team: Team
    room: Room
    feeds: list[RoomFeeds]
    log: RecordedLog

    async def commit(self, count: int = 1) -> list[LiveEvent]:
        """Events that are stored and told to nobody."""
        units = Units(begin=self.begin, let_read=None, waiting_jobs=None)  # type: ignore[arg-type]
        return [
            told((await append(units, self.team, make_event(self.team, self.room), now=SystemClock().now())).event)
            for _ in range(count)
        ]

    async def publish(self, count: int = 1) -> None:
        for event in await self.commit(count):
            await self.engine.buses[0].publish({self.room.id: [event]})

    def since(self, seq: int) -> Since:
        return Since(seq=seq, epoch=self.room.epoch)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    begin, engine, log = FakeUnitOfWorkFactory(), MemoryEngine(), RecordedLog()
    units = Units(begin=begin, let_read=None, waiting_jobs=None)  # type: ignore[arg-type]
    team = await found_team(units)
    room = await add_room(units, team)
    feeds = [RoomFeeds(MemoryBus(engine), begin, reading(begin, log), log) for _ in range(2)]
    yield World(begin, engine, team, room, feeds, log)
    for one in feeds:
        await one.aclose()


async def test_readers_of_two_processes_see_one_order(world: World) -> None:
    """Each from where it joined."""
    early, late = Reader(), Reader()
    await world.feeds[0].join(world.room.id, early)
    await world.publish(3)
    joined = await world.feeds[1].join(world.room.id, late)
    await world.publish(2)

    assert (joined.seq, joined.recovered, joined.events) == (3, False, ())
    assert (early.seqs, late.seqs) == ([1, 2, 3, 4, 5], [4, 5])


async def test_a_hole_is_healed_from_the_database(world: World) -> None:
    """An event that comes before the one it follows waits until that was read."""
    reader = Reader()
    await world.feeds[0].join(world.room.id, reader)
    await world.publish()
    await world.commit(2)
    [fourth] = await world.commit()
    world.engine.flush()
    await world.engine.buses[0].publish({world.room.id: [fourth]})
    await reader.until(4)

    assert reader.seqs == [1, 2, 3, 4]
    assert (world.feeds[0].counts.holes, world.feeds[0].counts.healed) == (1, 3)


async def test_a_broken_bus_is_healed(world: World) -> None:
    """What was told while nobody could hear is read when the bus is back."""
    reader = Reader()
    await world.feeds[0].join(world.room.id, reader)
    await world.commit(3)
    world.engine.restart()
    await reader.until(3)

    assert reader.seqs == [1, 2, 3]


async def test_a_last_event_that_was_never_told_is_found(world: World) -> None:
    """By the position check, also where the bus hears nothing; without it the event would stay unseen."""
    reader = Reader()
    await world.feeds[0].join(world.room.id, reader)
    world.engine.buses[0].deaf = True
    await world.publish(2)
    await asyncio.sleep(0)
    before = reader.seqs
    await world.feeds[0].check_positions()
    await reader.until(2)

    assert before == []
    assert world.feeds[0].counts.lags == 1


async def test_the_sweeper_tells_what_a_crash_left_behind(world: World) -> None:
    """Events that were committed and not told, in order; nothing twice, and nothing where all was told."""
    reader = Reader()
    await world.feeds[0].join(world.room.id, reader)
    await world.publish(2)
    sweep = SweepRooms(world.begin, world.engine.buses[1], SystemClock(), world.log)
    idle = await sweep()
    await world.commit(3)
    late = await sweep()

    assert (idle, late, sweep.swept) == (0, 3, 3)
    assert reader.seqs == [1, 2, 3, 4, 5]


async def test_the_sweeper_looks_back_over_an_outage(world: World) -> None:
    """What was committed while the bus was away is told when it is back."""
    reader = Reader()
    await world.feeds[0].join(world.room.id, reader)
    sweep = SweepRooms(world.begin, world.engine.buses[1], SystemClock(), world.log)
    await sweep()
    world.engine.down = True
    [event] = await world.commit()
    with pytest.raises(CacheUnavailable):
        await sweep()
    world.engine.down = False
    await sweep()

    assert reader.events == [event]


@pytest.mark.parametrize("hot", [True, False])
async def test_who_comes_back_is_told_what_was_missed(world: World, *, hot: bool) -> None:
    """All of it inside the reply, from the hot copy or from the database; what follows comes live."""
    await world.publish(20)
    if not hot:
        world.engine.flush()
    reader = Reader()
    joined = await world.feeds[1].join(world.room.id, reader, world.since(5))
    await world.publish()

    assert joined.recovered
    assert [event.seq for event in joined.events] == list(range(6, 21))
    assert reader.seqs == [21]


async def test_many_who_come_back_cost_few_reads(world: World) -> None:
    """One look at the room and at most one at its events for all of them."""
    await world.publish(100)
    world.engine.flush()
    readers = [Reader() for _ in range(50)]
    joins = [world.feeds[1].join(world.room.id, r, world.since(n % 7)) for n, r in enumerate(readers)]
    joined = await asyncio.gather(*joins)

    assert all(one.recovered for one in joined)
    assert [len(one.events) for one in joined[:3]] == [100, 99, 98]
    assert world.feeds[1].counts.reads <= 2


async def test_what_cannot_be_recovered(world: World) -> None:
    """Another epoch, a number that was never given, more events than fit, and what retention took."""
    await world.publish(MAX_CATCH_UP + 2)
    feeds = world.feeds[1]

    async def recovered(since: Since) -> bool:
        return (await feeds.join(world.room.id, Reader(), since)).recovered

    assert await recovered(world.since(2))
    assert not await recovered(world.since(1))
    assert not await recovered(world.since(MAX_CATCH_UP + 3))
    assert not await recovered(Since(seq=5, epoch=uuid4()))
    world.engine.flush()
    await ForgetRoomEvents(begin=world.begin, clock=SystemClock(), kept=timedelta(seconds=-1))()
    assert not (await world.feeds[0].join(world.room.id, Reader(), world.since(500))).recovered
    assert (await world.feeds[0].join(world.room.id, Reader(), world.since(MAX_CATCH_UP + 1))).recovered


async def test_forgetting_is_a_choice(world: World) -> None:
    """What is younger stays, and without a choice everything; the numbering goes on."""
    await world.publish(3)
    by_default, young, old = [
        await ForgetRoomEvents(begin=world.begin, clock=SystemClock(), kept=kept)()
        for kept in (None, timedelta(hours=1), timedelta(seconds=-1))
    ]
    [event] = await world.commit()

    assert (by_default, young, old) == (0, 0, 2)
    assert event.seq == 4


async def test_another_epoch_ends_the_feed(world: World) -> None:
    """Readers are let go, and a new feed begins with the new numbering."""
    reader = Reader()
    await world.feeds[0].join(world.room.id, reader)
    table = world.begin.database.table(ROOMS)
    table[world.room.id] = evolve(table[world.room.id], epoch=uuid4())
    await world.feeds[0].check_positions()
    async with asyncio.timeout(5):
        while not reader.dropped:  # noqa: ASYNC110 a poll with a deadline
            await asyncio.sleep(0)
    joined = await world.feeds[0].join(world.room.id, reader)

    assert joined.epoch != world.room.epoch


async def test_a_room_is_listened_to_while_somebody_reads(world: World) -> None:
    """The last one who leaves ends it; leaving twice is harmless."""
    first, second = Reader(), Reader()
    feeds = world.feeds[0]
    await feeds.join(world.room.id, first)
    await feeds.join(world.room.id, second)
    feeds.leave(world.room.id, first)
    feeds.leave(world.room.id, first)
    await world.publish()
    feeds.leave(world.room.id, second)
    await asyncio.sleep(0)
    await world.publish()

    assert (first.seqs, second.seqs, feeds.rooms()) == ([], [1], [])


@pytest.mark.parametrize("loss", ["hole", "restart", "deaf", "crash", "late look"])
async def test_without_its_mechanism_nothing_is_healed(
    world: World, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    """The twins of the tests above: with healing, checking or sweeping switched off the same losses stay."""
    reader = Reader()
    await world.feeds[0].join(world.room.id, reader)
    await world.publish()
    match loss:
        case "hole":
            monkeypatch.setattr(RoomFeed, "_heal", lambda _: None)
            await world.commit()
            world.engine.flush()
            await world.publish()
        case "restart":
            monkeypatch.setattr(RoomFeed, "_heal", lambda _: None)
            await world.commit()
            world.engine.restart()
        case "deaf":  # and nobody checks positions
            world.engine.buses[0].deaf = True
            await world.publish()
        case "crash":  # and nobody sweeps
            await world.commit()
        case _:  # and the sweeper looks back for less than the outage lasted
            monkeypatch.setattr(rooms_sweep, "FIRST_LOOK", timedelta(seconds=-1))
            await world.commit()
            await SweepRooms(world.begin, world.engine.buses[1], SystemClock(), world.log)()
    for _ in range(50):
        await asyncio.sleep(0)

    assert reader.seqs == [1]

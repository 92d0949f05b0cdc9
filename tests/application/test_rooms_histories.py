"""Whatever happens, in whatever order: what a reader was told is what is stored."""

import asyncio
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.system import SystemClock
from application.errors import CacheUnavailable
from application.rooms_events import told
from application.rooms_feed import RoomFeeds, Since
from application.rooms_sweep import SweepRooms
from tests.application.test_rooms_feed import Reader, reading
from tests.contracts.test_repositories_rooms import add_room, append, make_event
from tests.contracts.units import Units, found_team
from tests.fakes.assembly_parts import RecordedLog
from tests.fakes.live import MemoryBus, MemoryEngine
from tests.fakes.unit_of_work import FakeUnitOfWorkFactory

STEPS = ("publish", "commit", "late", "flush", "restart", "deaf", "hear", "down", "up", "come back", "check", "sweep")


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=40))
def test_what_was_told_is_what_is_stored(steps: list[str]) -> None:
    """After any history of publishing, crashes, outages, flushes and reconnects, once the bus is back and one check
    was made: every event once, in order, without a gap.
    """
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(live_through(steps))
    finally:
        loop.close()


async def live_through(steps: list[str]) -> None:  # noqa: C901 a table of steps
    begin, engine, log = FakeUnitOfWorkFactory(), MemoryEngine(), RecordedLog()
    units = Units(begin=begin, let_read=None, waiting_jobs=None)  # type: ignore[arg-type]
    team = await found_team(units)
    room = await add_room(units, team)
    bus, writer = MemoryBus(engine), MemoryBus(engine)
    feeds = RoomFeeds(bus, begin, reading(begin, log), log)
    sweep = SweepRooms(begin, writer, SystemClock(), log)
    reader, seen, untold = Reader(), [], []
    await feeds.join(room.id, reader)

    async def publish() -> None:
        event = told((await append(units, team, make_event(team, room, client_msg_id=uuid4()))).event)
        try:
            await writer.publish({room.id: [event]})
        except CacheUnavailable:
            untold.append(event)

    for step in steps:
        match step:
            case "publish":
                await publish()
            case "commit":  # the process dies before it tells, or tells late
                untold.append(told((await append(units, team, make_event(team, room), now=SystemClock().now())).event))
            case "late" if untold and not engine.down:
                await writer.publish({room.id: [untold.pop()]})
            case "flush":
                engine.flush()
            case "restart":
                engine.restart()
            case "deaf" | "hear":
                bus.deaf = step == "deaf"
            case "down" | "up":
                engine.down = step == "down"
            case "come back" if not engine.down:
                feeds.leave(room.id, reader)
                seen += reader.seqs
                reader = Reader()
                since = Since(seq=seen[-1] if seen else 0, epoch=room.epoch)
                joined = await feeds.join(room.id, reader, since)
                assert joined.recovered
                seen += [event.seq for event in joined.events]
            case "check":
                await feeds.check_positions()
            case "sweep" if not engine.down:
                await sweep()
        await asyncio.sleep(0)
    engine.down = bus.deaf = False
    await feeds.check_positions()
    for _ in range(50):
        await asyncio.sleep(0)
    await feeds.aclose()
    stored = begin.database.table("room_events")

    assert [*seen, *reader.seqs] == list(range(1, len(stored) + 1))

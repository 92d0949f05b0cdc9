"""What every log of runs promises."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from uuid import uuid4

import pytest

from adapters.redis.client import connect
from adapters.redis.runs import RedisRuns
from application.errors import CacheUnavailable, ConcurrentChange
from application.ports.runs import RunEvent, RunLog
from domain.ids import MessageId
from tests.fakes.runs import FakeRuns


@pytest.fixture
def fake_runs() -> FakeRuns:
    return FakeRuns()


@pytest.fixture
async def redis_runs(clean_redis_url: str) -> AsyncIterator[RedisRuns]:
    client = connect(clean_redis_url, max_connections=8)
    runs = RedisRuns(client)
    yield runs
    await runs.aclose()
    await client.aclose()


@pytest.fixture(params=["fake_runs", "redis_runs"])
def runs(request: pytest.FixtureRequest) -> RunLog:
    made: RunLog = request.getfixturevalue(request.param)
    return made


@pytest.fixture
async def dead_redis_runs() -> AsyncIterator[RedisRuns]:
    client = connect("redis://127.0.0.1:1/0", connect_timeout=0.2, timeout=0.2, retries=0)
    runs = RedisRuns(client)
    yield runs
    await runs.aclose()
    await client.aclose()


@pytest.fixture
def dead_fake_runs() -> FakeRuns:
    runs = FakeRuns()
    runs.down = True
    return runs


@pytest.fixture(params=["dead_fake_runs", "dead_redis_runs"])
def dead_runs(request: pytest.FixtureRequest) -> RunLog:
    made: RunLog = request.getfixturevalue(request.param)
    return made


def new_message() -> MessageId:
    return MessageId(uuid4())


def event(offset: int, name: str = "message.delta") -> RunEvent:
    return RunEvent(offset=offset, name=name, data={"text": f"Wort {offset}, größer", "n": [offset]})


async def write(runs: RunLog, message_id: MessageId, count: int) -> list[RunEvent]:
    events = [event(n) for n in range(1, count)] + [event(count, "message.completed")]
    assert count == await runs.append(message_id, events)
    return events


async def collect(runs: RunLog, message_id: MessageId, after: int = 0) -> list[RunEvent]:
    async with asyncio.timeout(10):
        return [one async for one in runs.read(message_id, after=after)]


async def test_unknown_run_ends_at_once(runs: RunLog) -> None:
    """Nobody waits for a run that is not there."""
    assert await collect(runs, new_message()) == []


async def test_finished_run_is_read_whole_and_in_parts(runs: RunLog) -> None:
    """Events come back as they were written, from any offset on, also from behind the last."""
    message_id = new_message()
    events = await write(runs, message_id, 12)

    assert events == await collect(runs, message_id)
    assert events[7:] == await collect(runs, message_id, after=7)
    assert await collect(runs, message_id, after=12) == []
    assert await collect(runs, message_id, after=99) == []


async def test_repeated_offset_is_ignored(runs: RunLog) -> None:
    """A writer that tries again does not double an event."""
    message_id = new_message()
    await runs.append(message_id, [event(1)])
    await runs.append(message_id, [event(1, "message.failed")])
    await runs.append(message_id, [event(2, "message.completed")])

    assert [one.name for one in await collect(runs, message_id)] == ["message.delta", "message.completed"]


async def test_gap_is_not_filled(runs: RunLog) -> None:
    """When events before are lost, readers must not get a text with a hole: the writer is told what is there."""
    message_id = new_message()
    assert await runs.append(message_id, [event(3)]) == 0
    assert await runs.append(message_id, [event(1)]) == 1
    assert await runs.append(message_id, [event(3)]) == 1

    assert await runs.append(message_id, [event(1), event(2), event(3)]) == 3


async def test_nothing_comes_after_the_end(runs: RunLog) -> None:
    """Whoever ends a run first has ended it; repeating what is there is harmless."""
    message_id = new_message()
    await runs.append(message_id, [event(1), event(2, "message.failed")])

    assert await runs.append(message_id, [event(2)]) == 2
    with pytest.raises(ConcurrentChange):
        await runs.append(message_id, [event(3)])
    assert ["message.delta", "message.failed"] == [one.name for one in await runs.stored(message_id)]


async def test_stored_events_are_given_without_waiting(runs: RunLog) -> None:
    """A snapshot, whether or not the run goes on."""
    message_id = new_message()
    assert await runs.stored(message_id) == []
    await runs.append(message_id, [event(1), event(2)])

    assert await runs.stored(message_id) == [event(1), event(2)]


async def test_readers_follow_a_run_being_written(runs: RunLog) -> None:
    """Many readers that came at different moments all get every event once and in order."""
    message_id = new_message()
    await runs.append(message_id, [event(1)])
    early = [asyncio.create_task(collect(runs, message_id)) for _ in range(100)]
    for n in range(2, 30):
        await runs.append(message_id, [event(n)])
        await asyncio.sleep(0)
    late = [asyncio.create_task(collect(runs, message_id, after=20)) for _ in range(100)]
    await asyncio.sleep(0)
    await runs.append(message_id, [event(30, "message.completed")])

    assert {30} == {len(events) for events in await asyncio.gather(*early)}
    assert [list(range(21, 31))] * 100 == [[one.offset for one in events] for events in await asyncio.gather(*late)]


async def test_event_reaches_a_waiting_reader_soon(runs: RunLog) -> None:
    """A reader that waits is woken, not left to look for itself: eight events in far less than eight looks."""
    message_id = new_message()
    await runs.append(message_id, [event(1)])
    async with asyncio.timeout(4), aclosing(runs.read(message_id)) as reader:
        await anext(reader)
        for n in range(2, 10):
            following = asyncio.ensure_future(anext(reader))
            await asyncio.sleep(0.02)
            await runs.append(message_id, [event(n)])
            assert n == (await following).offset


async def test_reader_may_leave_while_others_stay(runs: RunLog) -> None:
    """One who goes does not end the stream of the others."""
    message_id = new_message()
    await runs.append(message_id, [event(1)])
    staying = asyncio.create_task(collect(runs, message_id))
    async with aclosing(runs.read(message_id)) as leaving:
        await anext(leaving)
    waiting = asyncio.create_task(collect(runs, message_id))
    await asyncio.sleep(0)
    waiting.cancel()
    await runs.append(message_id, [event(2, "message.completed")])

    assert [one.offset for one in await staying] == [1, 2]


async def test_runs_do_not_mix(runs: RunLog) -> None:
    """Each message has its own events."""
    one, other = new_message(), new_message()
    await write(runs, one, 2)
    await write(runs, other, 3)

    assert (len(await collect(runs, one)), len(await collect(runs, other))) == (2, 3)


async def test_engine_that_is_down_says_so(dead_runs: RunLog) -> None:
    """Every call raises `CacheUnavailable`, reading too."""
    with pytest.raises(CacheUnavailable):
        await dead_runs.append(new_message(), [event(1)])
    with pytest.raises(CacheUnavailable):
        await collect(dead_runs, new_message())
    with pytest.raises(CacheUnavailable):
        await dead_runs.stored(new_message())


async def test_reader_ends_when_the_run_expires(clean_redis_url: str) -> None:
    """A writer that died leaves readers waiting no longer than the log is kept."""
    client = connect(clean_redis_url)
    runs = RedisRuns(client, kept=timedelta(seconds=1))
    message_id = new_message()
    await runs.append(message_id, [event(1)])

    assert [one.offset for one in await collect(runs, message_id)] == [1]
    await runs.aclose()
    await client.aclose()


async def test_two_processes_share_a_run(clean_redis_url: str) -> None:
    """A reader on another client follows what this one writes."""
    clients = [connect(clean_redis_url), connect(clean_redis_url)]
    writer, reader = (RedisRuns(client) for client in clients)
    message_id = new_message()
    await writer.append(message_id, [event(1)])
    reading = asyncio.create_task(collect(reader, message_id))
    await asyncio.sleep(0.05)
    await writer.append(message_id, [event(2, "message.failed")])

    assert [one.offset for one in await reading] == [1, 2]
    for log, client in zip((writer, reader), clients, strict=True):
        await log.aclose()
        await client.aclose()

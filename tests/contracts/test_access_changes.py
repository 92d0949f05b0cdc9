"""What every spreader of changed rights promises."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from adapters.redis.access_changes import CHANNEL, RedisAccessChanges
from adapters.redis.client import connect
from application.ports.access import AccessChanges
from tests.fakes.access import Bus, FakeAccessChanges

Heard = list[frozenset[UUID] | None]
Pair = tuple[AccessChanges, AccessChanges]


@pytest.fixture
def fake_pair() -> Pair:
    bus = Bus()
    return FakeAccessChanges(bus), FakeAccessChanges(bus)


@pytest.fixture
async def redis_pair(clean_redis_url: str) -> AsyncIterator[Pair]:
    clients = connect(clean_redis_url), connect(clean_redis_url)
    one, other = (RedisAccessChanges(client) for client in clients)
    yield one, other
    for changes, client in zip((one, other), clients, strict=True):
        await changes.aclose()
        await client.aclose()


@pytest.fixture(params=["fake_pair", "redis_pair"])
def pair(request: pytest.FixtureRequest) -> Pair:
    made: Pair = request.getfixturevalue(request.param)
    return made


async def until(fact: Callable[[], bool], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not fact():  # noqa: ASYNC110 what is waited for is in another process
            await asyncio.sleep(0.005)


async def test_an_announcement_reaches_every_process_at_once(pair: Pair) -> None:
    """The one that makes it before it returns, others well within a second, once live."""
    one, other = pair
    await until(lambda: one.is_live and other.is_live)
    here: Heard = []
    there: Heard = []
    one.listen(here.append)
    other.listen(there.append)
    user, session = uuid4(), uuid4()

    await one.announce(user, session)

    assert here[0] == {user, session}
    await until(lambda: frozenset({user, session}) in there, 0.5)


async def test_a_listener_that_left_hears_nothing(pair: Pair) -> None:
    """What `listen` returns ends it."""
    one, _ = pair
    await until(lambda: one.is_live)
    heard: Heard = []
    leave = one.listen(heard.append)
    leave()

    await one.announce(uuid4())

    assert heard == []


@pytest.fixture
async def dead_redis() -> AsyncIterator[AccessChanges]:
    client = connect("redis://127.0.0.1:1/0", connect_timeout=0.2, timeout=0.2, retries=0)
    changes = RedisAccessChanges(client)
    yield changes
    await changes.aclose()
    await client.aclose()


@pytest.fixture
def dead_fake() -> AccessChanges:
    return FakeAccessChanges(Bus(down=True))


@pytest.fixture(params=["dead_fake", "dead_redis"])
def dead(request: pytest.FixtureRequest) -> AccessChanges:
    made: AccessChanges = request.getfixturevalue(request.param)
    return made


async def test_without_an_engine_it_is_not_live_and_only_this_process_hears(dead: AccessChanges) -> None:
    """Announcing is no error then."""
    heard: Heard = []
    dead.listen(heard.append)
    subject = uuid4()

    await dead.announce(subject)

    assert not dead.is_live
    assert frozenset({subject}) in heard


async def test_a_lost_connection_is_told_and_mended(clean_redis_url: str) -> None:
    """Whoever remembers is told that announcements may have been missed; afterwards they arrive again."""
    client = connect(clean_redis_url)
    changes = RedisAccessChanges(client)
    await until(lambda: changes.is_live)
    heard: Heard = []
    changes.listen(heard.append)
    async with Redis.from_url(clean_redis_url) as other:
        await other.client_kill_filter(_type="pubsub")
        await until(lambda: None in heard)
        await until(lambda: changes.is_live)
        subject = uuid4()
        await other.publish(CHANNEL, subject.bytes)
        await until(lambda: frozenset({subject}) in heard)
        await other.publish(CHANNEL, b"of another version")
        await until(lambda: heard[-1] is None)
    await changes.aclose()
    await client.aclose()

"""What every keeper of tickets promises."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from adapters.redis.client import connect
from adapters.redis.tickets import RedisTickets
from adapters.system import SystemClock
from application.errors import CacheUnavailable
from application.ports.accounts import Tickets
from tests.fakes.accounts import FakeTickets

MINUTE = timedelta(minutes=1)


@pytest.fixture
def fake_tickets() -> FakeTickets:
    return FakeTickets(SystemClock())


@pytest.fixture
async def redis_tickets(clean_redis_url: str) -> AsyncIterator[RedisTickets]:
    client = connect(clean_redis_url)
    yield RedisTickets(client)
    await client.aclose()


@pytest.fixture(params=["fake_tickets", "redis_tickets"])
def tickets(request: pytest.FixtureRequest) -> Tickets:
    made: Tickets = request.getfixturevalue(request.param)
    return made


async def test_a_ticket_is_taken_by_exactly_one(tickets: Tickets) -> None:
    """However many bring it at once."""
    await tickets.put(b"1" * 32, b"value", ttl=MINUTE)

    taken = await asyncio.gather(*(tickets.take(b"1" * 32) for _ in range(20)))

    assert sorted(taken, key=bool) == [None] * 19 + [b"value"]


async def test_an_unknown_or_late_ticket_gives_nothing(tickets: Tickets) -> None:
    """Its time counts from when it was put."""
    await tickets.put(b"2" * 32, b"value", ttl=timedelta(milliseconds=20))
    await asyncio.sleep(0.05)

    assert await tickets.take(b"2" * 32) is None
    assert await tickets.take(b"3" * 32) is None


@pytest.fixture
def dead_fake() -> FakeTickets:
    tickets = FakeTickets(SystemClock())
    tickets.is_down = True
    return tickets


@pytest.fixture
async def dead_redis() -> AsyncIterator[RedisTickets]:
    client = connect("redis://127.0.0.1:1/0", connect_timeout=0.2, timeout=0.2, retries=0)
    yield RedisTickets(client)
    await client.aclose()


@pytest.fixture(params=["dead_fake", "dead_redis"])
def dead_tickets(request: pytest.FixtureRequest) -> Tickets:
    made: Tickets = request.getfixturevalue(request.param)
    return made


async def test_without_an_engine_tickets_are_refused(dead_tickets: Tickets) -> None:
    """Rather than taken unchecked."""
    with pytest.raises(CacheUnavailable):
        await dead_tickets.put(b"1" * 32, b"value", ttl=MINUTE)
    with pytest.raises(CacheUnavailable):
        await dead_tickets.take(b"1" * 32)

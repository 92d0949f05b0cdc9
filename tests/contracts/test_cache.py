"""What every cache promises."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from adapters.redis.cache import RedisCache
from adapters.redis.client import connect
from adapters.system import SystemClock
from application.errors import CacheUnavailable
from application.ports.cache import Cache
from tests.fakes.cache import FakeCache

MINUTE = timedelta(minutes=1)


@pytest.fixture
def fake_cache() -> FakeCache:
    return FakeCache(SystemClock())


@pytest.fixture
async def redis_cache(clean_redis_url: str) -> AsyncIterator[RedisCache]:
    client = connect(clean_redis_url)
    yield RedisCache(client)
    await client.aclose()


@pytest.fixture(params=["fake_cache", "redis_cache"])
def cache(request: pytest.FixtureRequest) -> Cache:
    made: Cache = request.getfixturevalue(request.param)
    return made


@pytest.fixture
async def dead_redis_cache() -> AsyncIterator[RedisCache]:
    client = connect("redis://127.0.0.1:1/0", connect_timeout=0.2, timeout=0.2, retries=0)
    yield RedisCache(client)
    await client.aclose()


@pytest.fixture
def dead_fake_cache() -> FakeCache:
    cache = FakeCache(SystemClock())
    cache.is_down = True
    return cache


@pytest.fixture(params=["dead_fake_cache", "dead_redis_cache"])
def dead_cache(request: pytest.FixtureRequest) -> Cache:
    made: Cache = request.getfixturevalue(request.param)
    return made


async def test_missing_key_reads_as_none(cache: Cache) -> None:
    """A key that was never set has no value, and that is no outage."""
    assert await cache.get("missing") is None
    assert not cache.is_down


async def test_value_comes_back_byte_for_byte(cache: Cache) -> None:
    """Any bytes are kept as they are, also none at all."""
    await cache.set("bytes", bytes(range(256)), ttl=MINUTE)
    await cache.set("empty", b"", ttl=MINUTE)

    assert bytes(range(256)) == await cache.get("bytes")
    assert await cache.get("empty") == b""


async def test_setting_again_replaces(cache: Cache) -> None:
    """The later value wins."""
    await cache.set("key", b"old", ttl=MINUTE)
    await cache.set("key", b"new", ttl=MINUTE)

    assert await cache.get("key") == b"new"


async def test_value_expires(cache: Cache) -> None:
    """After its time a value is gone."""
    await cache.set("brief", b"value", ttl=timedelta(milliseconds=20))
    async with asyncio.timeout(5):
        while await cache.get("brief") is not None:  # noqa: ASYNC110 the engine tells nobody
            await asyncio.sleep(0.01)


async def test_no_time_to_live_keeps_nothing(cache: Cache) -> None:
    """A time of zero forgets what was there."""
    await cache.set("key", b"old", ttl=MINUTE)
    await cache.set("key", b"new", ttl=timedelta(0))

    assert await cache.get("key") is None


async def test_many_come_in_the_order_asked(cache: Cache) -> None:
    """Several at once, with None for the missing ones, also more than one round trip holds."""
    await cache.set_many({f"key-{n}": b"%d" % n for n in range(0, 600, 2)}, ttl=MINUTE)
    values = await cache.get_many([f"key-{n}" for n in range(600)])

    assert [None if n % 2 else b"%d" % n for n in range(600)] == values
    assert await cache.get_many([]) == []


async def test_delete_forgets_and_takes_missing_keys(cache: Cache) -> None:
    """Deleting removes exactly the named keys."""
    await cache.set_many({"a": b"1", "b": b"2"}, ttl=MINUTE)
    await cache.delete("a", "missing")
    await cache.delete()

    assert await cache.get_many(["a", "b"]) == [None, b"2"]


async def test_ping_passes_while_the_engine_answers(cache: Cache) -> None:
    """A live engine raises nothing."""
    await cache.ping()


async def test_engine_that_is_down_reads_as_empty(dead_cache: Cache) -> None:
    """An outage costs time, never an error; only the ping tells."""
    await dead_cache.set("key", b"value", ttl=MINUTE)
    await dead_cache.delete("key")

    assert await dead_cache.get_many(["key", "other"]) == [None, None]
    assert dead_cache.is_down
    with pytest.raises(CacheUnavailable):
        await dead_cache.ping()


async def test_outage_is_logged_once(dead_redis_cache: RedisCache) -> None:
    """Many calls in an outage give one line."""
    with capture_logs() as logs:
        for _ in range(5):
            await dead_redis_cache.get("key")

    assert [line["event"] for line in logs] == ["cache_down"]

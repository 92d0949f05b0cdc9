"""What every limiter of rates promises."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from time import monotonic
from uuid import uuid4

import pytest

from adapters.limits import MAX_KEYS, ProcessLimiter
from adapters.redis.client import connect
from adapters.redis.limits import RedisLimiter
from application.errors import CacheUnavailable
from application.ports.limits import Charge, Limiter, Rate

HOUR = timedelta(hours=1)


@pytest.fixture
async def redis_limiter(redis_url: str) -> AsyncIterator[RedisLimiter]:
    client = connect(redis_url)
    yield RedisLimiter(client, namespace=f"limit-{uuid4().hex}:")
    await client.aclose()


@pytest.fixture(params=["fake", "redis"])
def limiter(request: pytest.FixtureRequest) -> Limiter:
    """The fake is the limiter of one process, which is used while Redis is away."""
    found: Limiter = ProcessLimiter() if request.param == "fake" else request.getfixturevalue("redis_limiter")
    return found


def charge(key: str, quota: int, *, window: timedelta = HOUR, cost: int = 1) -> Charge:
    return Charge(name="some", key=f"some:{{{key}}}:x", rate=Rate(quota, window), cost=cost)


async def test_a_quota_may_be_spent_at_once_and_no_more(limiter: Limiter) -> None:
    """Each answer says what is left; the one too many when to come again."""
    left = [(await limiter.spend([charge("a", 3)])).remaining for _ in range(3)]
    refused = await limiter.spend([charge("a", 3)])

    assert left == [2, 1, 0]
    assert not refused.allowed
    assert refused.remaining == 0
    assert HOUR.total_seconds() / 3 == pytest.approx(refused.retry_after, abs=5)
    assert HOUR.total_seconds() == pytest.approx(refused.reset, abs=5)
    assert (await limiter.spend([charge("b", 3)])).allowed


async def test_a_quota_comes_back_evenly(limiter: Limiter) -> None:
    """After one interval one more is allowed, and not two."""
    quick = charge("a", 2, window=timedelta(seconds=1))
    for _ in range(2):
        await limiter.spend([quick])
    refused = await limiter.spend([quick])
    assert not refused.allowed
    begun = monotonic()
    async with asyncio.timeout(20):
        while not (standing := await limiter.spend([quick])).allowed:  # noqa: ASYNC110 only time brings it back
            await asyncio.sleep(standing.retry_after)

    assert monotonic() - begun >= refused.retry_after - 0.05


async def test_all_are_spent_on_or_none(limiter: Limiter) -> None:
    """A charge that one limit refuses takes nothing from the other; the tightest one is told."""
    mine, whole = charge("a", 100), charge("b", 2)
    for _ in range(2):
        assert (await limiter.spend([mine, whole])).charge == whole
    refused = [await limiter.spend([mine, whole]) for _ in range(5)]

    assert {False} == {standing.allowed for standing in refused}
    assert {whole.key} == {standing.charge.key for standing in refused}
    assert (await limiter.spend([mine])).remaining == 97


async def test_asking_takes_nothing(limiter: Limiter) -> None:
    """A cost of nothing tells whether one more would be allowed."""
    for _ in range(5):
        assert (await limiter.spend([charge("a", 1, cost=0)])).allowed
    await limiter.spend([charge("a", 1)])

    assert not (await limiter.spend([charge("a", 1, cost=0)])).allowed


async def test_forgiven_is_as_new(limiter: Limiter) -> None:
    """What was spent is given back; other keys and unknown ones are left alone."""
    for key in ("a", "b"):
        await limiter.spend([charge(key, 1)])
    await limiter.forgive(charge("a", 1).key, "unknown:{a}")

    assert (await limiter.spend([charge("a", 1)])).allowed
    assert not (await limiter.spend([charge("b", 1)])).allowed


async def test_many_at_once_get_the_quota_and_no_more(limiter: Limiter) -> None:
    """A race gives nobody an extra turn."""
    standings = await asyncio.gather(*(limiter.spend([charge("a", 10)]) for _ in range(50)))

    assert sum(standing.allowed for standing in standings) == 10


async def test_what_is_counted_does_not_stay(redis_url: str) -> None:
    """Redis forgets a limit when all of its quota is back."""
    client = connect(redis_url)
    namespace = f"limit-{uuid4().hex}:"
    one = charge("a", 10, window=timedelta(seconds=100))
    await RedisLimiter(client, namespace=namespace).spend([one])
    left = await client.pttl(namespace + one.key)
    await client.aclose()

    assert 0 < left <= 10_001


async def test_a_process_forgets_the_oldest() -> None:
    """Addresses without number take no memory without end."""
    limiter = ProcessLimiter(clock=lambda: 0.0)
    for number in range(MAX_KEYS + 1):
        await limiter.spend([charge(str(number), 1)])

    assert (await limiter.spend([charge("0", 1)])).allowed
    assert not (await limiter.spend([charge(str(MAX_KEYS), 1)])).allowed


async def test_without_redis_nobody_can_tell() -> None:
    """The outage is an error of ours, not of the driver."""
    client = connect("redis://127.0.0.1:1/0", connect_timeout=0.2, timeout=0.2, retries=0)
    with pytest.raises(CacheUnavailable):
        await RedisLimiter(client).spend([charge("a", 1)])
    await client.aclose()

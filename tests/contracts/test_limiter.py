"""What every limiter of rates promises."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from time import monotonic
from uuid import uuid4

import pytest
from attrs import define, evolve

from adapters.limit_shares import HOLD, PART, ShareLimiter
from adapters.limits import MAX_KEYS, ProcessLimiter
from adapters.redis.client import connect
from adapters.redis.limits import RedisLimiter
from application.errors import CacheUnavailable
from application.ports.limits import Charge, Limiter, Rate, Standing

HOUR = timedelta(hours=1)


@pytest.fixture
async def redis_limiter(redis_url: str) -> AsyncIterator[RedisLimiter]:
    client = connect(redis_url)
    yield RedisLimiter(client, namespace=f"limit-{uuid4().hex}:")
    await client.aclose()


@pytest.fixture(params=["fake", "redis", "shares of redis"])
async def limiter(request: pytest.FixtureRequest, redis_limiter: RedisLimiter) -> AsyncIterator[Limiter]:
    """The fake is the limiter of one process, which is used while Redis is away."""
    shares = ShareLimiter(redis_limiter)
    found: dict[str, Limiter] = {"fake": ProcessLimiter(), "redis": redis_limiter, "shares of redis": shares}
    yield found[request.param]
    await shares.aclose()


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


async def test_arrears_are_charged_in_any_case(limiter: Limiter) -> None:
    """What was given already counts, whether or not one more is allowed."""
    assert (await limiter.spend([evolve(charge("a", 10), arrears=6)])).remaining == 3
    refused = await limiter.spend([evolve(charge("a", 10), arrears=4)])

    assert not refused.allowed
    assert pytest.approx(HOUR.total_seconds() * 1.1, abs=5) == refused.reset
    assert (await limiter.spend([evolve(charge("b", 10, cost=0), arrears=1)])).remaining == 9


@define
class Counted(Limiter):
    """Counts how often it is asked."""

    inner: ProcessLimiter
    asked: int = 0

    async def spend(self, charges: Sequence[Charge]) -> Standing:
        self.asked += 1
        return await self.inner.spend(charges)

    async def forgive(self, *keys: str) -> None:
        await self.inner.forgive(*keys)


async def test_far_from_a_limit_hardly_anybody_asks() -> None:
    """The first answers are the ones that asking each time gives, the quota is the same to the last one."""
    exact = ProcessLimiter(clock=lambda: 0.0)
    counted = Counted(ProcessLimiter(clock=lambda: 0.0))
    shares = ShareLimiter(counted, clock=lambda: 0.0)
    one = charge("a", 1000)
    try:
        for _ in range(1000):
            told, expected = await shares.spend([one]), await exact.spend([one])
            assert (True, expected.remaining) == (told.allowed, told.remaining)
            assert told.reset == pytest.approx(expected.reset)
        refused = await shares.spend([one])
    finally:
        await shares.aclose()

    assert not refused.allowed
    assert counted.asked < 250


async def test_several_processes_give_hardly_more_than_there_is() -> None:
    """A fiftieth for each but the first, since each knows only of what it gave itself since it asked."""
    engine = ProcessLimiter(clock=lambda: 0.0)
    processes = [ShareLimiter(engine, clock=lambda: 0.0) for _ in range(4)]
    one = charge("a", 1000)
    given = 0
    try:
        for _ in range(500):
            for process in processes:
                given += (await process.spend([one])).allowed
    finally:
        for process in processes:
            await process.aclose()

    assert 1000 <= given <= 1000 + 3 * 1000 // PART


async def test_what_was_given_is_charged_for_those_who_do_not_come_again() -> None:
    """Half a second later every process knows."""
    engine = ProcessLimiter()
    shares = ShareLimiter(engine)
    for _ in range(11):
        await shares.spend([charge("a", 1000)])
    async with asyncio.timeout(20 * HOLD):
        while (await engine.spend([charge("a", 1000, cost=0)])).remaining > 989:  # noqa: ASYNC110 only time settles
            await asyncio.sleep(HOLD / 10)
    await shares.aclose()


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

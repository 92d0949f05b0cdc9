"""Limits of rate in Redis, one script and one round trip for all that a request is charged for."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from adapters.redis.client import RedisClient, redis_errors
from application.ports.limits import Charge, Limiter, Standing

MICROSECOND: Final = timedelta(microseconds=1)
_SPEND: Final = Path(__file__).with_name("gcra.lua").read_text(encoding="utf-8")


class RedisLimiter(Limiter):
    """Redis' clock decides, so processes on several machines agree."""

    def __init__(self, client: RedisClient, *, namespace: str = "limit:") -> None:
        self._client = client
        self._namespace = namespace
        self._spend = client.register_script(_SPEND)

    async def spend(self, charges: Sequence[Charge]) -> Standing:
        """On every charge, or on none."""
        keys = [self._namespace + charge.key for charge in charges]
        arguments: list[float] = []
        for charge in charges:
            window, interval = charge.rate.window / MICROSECOND, charge.rate.interval / MICROSECOND
            arguments += [window, interval, charge.cost, charge.arrears]
        with redis_errors():
            tightest, allowed, remaining, reset, wait = await self._spend(keys=keys, args=arguments)
        return Standing(
            charge=charges[tightest - 1],
            allowed=bool(allowed),
            remaining=remaining,
            reset=reset / 1e6,
            retry_after=wait / 1e6,
        )

    async def forgive(self, *keys: str) -> None:
        """Forget the time stamps."""
        with redis_errors():
            await self._client.unlink(*(self._namespace + key for key in keys))

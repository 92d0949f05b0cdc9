"""Tickets in Redis."""

from datetime import timedelta
from typing import Any

from adapters.redis.client import RedisClient, redis_errors
from application.ports.accounts import Tickets


class RedisTickets(Tickets):
    """Keys under ``ticket:``; taking one is a single GETDEL, so that it is given once."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def put(self, digest: bytes, value: bytes, *, ttl: timedelta) -> None:
        """Keep it for at most `ttl`."""
        with redis_errors():
            await self._client.set(_key(digest), value, px=int(ttl / timedelta(milliseconds=1)))

    async def take(self, digest: bytes) -> bytes | None:
        """The value, once."""
        with redis_errors():
            value: Any = await self._client.getdel(_key(digest))
        return None if value is None else bytes(value)


def _key(digest: bytes) -> str:
    return f"ticket:{digest.hex()}"

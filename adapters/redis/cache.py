"""The cache in Redis."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, cast

import structlog

from adapters.redis.client import RedisClient, redis_errors
from application.errors import CacheUnavailable
from application.ports.cache import Cache

log = structlog.get_logger(__name__)

_BATCH: Final = 256  # keys in one round trip, so that a large request does not hold the engine


class RedisCache(Cache):
    """Keys live under `namespace`, which other users of the same database do not touch.

    An outage is logged when it begins and when it ends, not at each call.
    """

    def __init__(self, client: RedisClient, *, namespace: str = "cache:") -> None:
        self._client = client
        self._namespace = namespace
        self._is_down = False

    @property
    def is_down(self) -> bool:
        """Whether the last call found the engine down."""
        return self._is_down

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""
        value: Any = None
        with self._harmless():
            value = await self._client.get(self._namespace + key)
        return cast("bytes | None", value)  # the client was not asked to decode

    async def set(self, key: str, value: bytes, *, ttl: timedelta) -> None:
        """Keep it for at most `ttl`."""
        if (milliseconds := _milliseconds(ttl)) <= 0:
            return await self.delete(key)
        with self._harmless():
            await self._client.set(self._namespace + key, value, px=milliseconds)
        return None

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values in order, None where there is none."""
        values: list[bytes | None] = []
        with self._harmless():
            for start in range(0, len(keys), _BATCH):
                async with self._client.pipeline(transaction=False) as pipeline:
                    for key in keys[start : start + _BATCH]:
                        pipeline.get(self._namespace + key)
                    values.extend(await pipeline.execute())
        return values + [None] * (len(keys) - len(values))

    async def set_many(self, values: Mapping[str, bytes], *, ttl: timedelta) -> None:
        """Keep all of them for at most `ttl`."""
        if (milliseconds := _milliseconds(ttl)) <= 0:
            return await self.delete(*values)
        items = list(values.items())
        with self._harmless():
            for start in range(0, len(items), _BATCH):
                async with self._client.pipeline(transaction=False) as pipeline:
                    for key, value in items[start : start + _BATCH]:
                        pipeline.set(self._namespace + key, value, px=milliseconds)
                    await pipeline.execute()
        return None

    async def delete(self, *keys: str) -> None:
        """Forget them."""
        with self._harmless():
            for start in range(0, len(keys), _BATCH):
                async with self._client.pipeline(transaction=False) as pipeline:
                    for key in keys[start : start + _BATCH]:
                        pipeline.unlink(self._namespace + key)
                    await pipeline.execute()

    async def ping(self) -> None:
        """Raise `CacheUnavailable` unless the engine answers."""
        with redis_errors():
            await self._client.ping()

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        try:
            with redis_errors():
                yield
        except CacheUnavailable as error:
            if not self._is_down:
                log.warning("cache_down", reason=error.message)
            self._is_down = True
        else:
            if self._is_down:
                log.info("cache_up")
            self._is_down = False


def _milliseconds(ttl: timedelta) -> int:
    return int(ttl / timedelta(milliseconds=1))

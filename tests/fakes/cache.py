"""A cache in memory."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from application.errors import CacheUnavailable
from application.ports.cache import Cache
from application.ports.system import Clock


class FakeCache(Cache):
    """A dictionary whose entries end by the given clock. `is_down` makes it read as empty, as an outage does."""

    is_down = False

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[str, tuple[bytes, datetime]] = {}

    async def get(self, key: str) -> bytes | None:
        value, until = self._values.get(key, (None, None))
        return value if until is not None and self._clock.now() < until and not self.is_down else None

    async def set(self, key: str, value: bytes, *, ttl: timedelta) -> None:
        if not self.is_down:
            self._values[key] = (bytes(value), self._clock.now() + ttl)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [await self.get(key) for key in keys]

    async def set_many(self, values: Mapping[str, bytes], *, ttl: timedelta) -> None:
        for key, value in values.items():
            await self.set(key, value, ttl=ttl)

    async def delete(self, *keys: str) -> None:
        if not self.is_down:
            for key in keys:
                self._values.pop(key, None)

    async def ping(self) -> None:
        if self.is_down:
            raise CacheUnavailable("The cache is down.")

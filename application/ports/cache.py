"""A cache that may be lost at any time."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol


class Cache(Protocol):
    """Bytes under keys. Losing it costs time, never truth: a broken engine reads as empty and is logged once."""

    @property
    def is_down(self) -> bool:
        """Whether the last call found the engine down."""
        ...

    async def get(self, key: str) -> bytes | None:
        """The value, or None when missing, expired, or the engine is down."""
        ...

    async def set(self, key: str, value: bytes, *, ttl: timedelta) -> None:
        """Keep it for at most `ttl`; an existing value is replaced. Nothing happens when the engine is down."""
        ...

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values in order, each as `get` gives it; an empty list for none."""
        ...

    async def set_many(self, values: Mapping[str, bytes], *, ttl: timedelta) -> None:
        """`set` for several at once. Not atomic: an engine that goes down midway keeps some."""
        ...

    async def delete(self, *keys: str) -> None:
        """Forget them; missing ones are no error."""
        ...

    async def ping(self) -> None:
        """Raise `application.errors.CacheUnavailable` unless the engine answers."""
        ...

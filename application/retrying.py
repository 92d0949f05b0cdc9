"""Decide anew when another writer was first."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

from application.errors import ConcurrentChange

ATTEMPTS: Final = 10  # of many at once one is first each time

T = TypeVar("T")


async def until_first(decide: Callable[[], Awaitable[T]]) -> T:
    """What `decide` makes of the stored state, loaded and decided anew each time that it changed meanwhile.

    Whoever names no version wants the change made whatever the present state is; whoever names one is told by
    `decide` itself that it is stale. `ConcurrentChange` when somebody else was first ten times.
    """
    for _ in range(ATTEMPTS - 1):
        with suppress(ConcurrentChange):
            return await decide()
    return await decide()

"""Batching of a fast stream."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from application.pacing import paced

INTERVAL = 0.03


async def numbers(count: int, *, error: Exception | None = None) -> AsyncIterator[int]:
    for number in range(count):
        yield number
    if error is not None:
        raise error


async def test_everything_comes_once_and_in_order() -> None:
    """Batches joined are the source."""
    batches = [batch async for batch in paced(numbers(1000), interval=lambda: 0)]

    assert list(range(1000)) == [number for batch in batches for number in batch]


async def test_a_fast_source_is_batched() -> None:
    """Within an interval a thousand items are a few batches."""

    async def two_bursts() -> AsyncIterator[int]:
        for number in range(500):
            yield number
        await asyncio.sleep(INTERVAL * 2)
        for number in range(500):
            yield number

    batches = [batch async for batch in paced(two_bursts(), interval=lambda: INTERVAL)]

    assert len(batches) <= 4


async def test_what_is_not_shown_holds_nothing_up() -> None:
    """The first item that is shown does not wait for the interval after those before it."""

    async def one_by_one() -> AsyncIterator[int]:
        for number in range(3):
            yield number
            await asyncio.sleep(INTERVAL)

    batches = paced(one_by_one(), interval=lambda: 3600.0, shown=lambda number: number == 2)
    got: list[int] = []
    async with asyncio.timeout(5):
        while 2 not in got:
            got += await anext(batches)
    await batches.aclose()

    assert got == [0, 1, 2]


async def test_an_error_comes_after_what_was_before_it() -> None:
    """Nothing that the source gave is lost to its error."""
    batches = paced(numbers(3, error=ValueError("broken")), interval=lambda: 0)
    got = await anext(batches)
    with pytest.raises(ValueError, match="broken"):
        await anext(batches)

    assert got == [0, 1, 2]


async def test_closing_stops_the_source() -> None:
    """Leaving early cancels what the source waits for."""
    left = asyncio.Event()

    async def endless() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            left.set()

    batches = paced(endless(), interval=lambda: 0)
    await anext(batches)
    await batches.aclose()

    assert left.is_set()

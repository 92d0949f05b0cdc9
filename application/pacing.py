"""Batching of a fast stream, so that a token is not a network write."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar

from attrs import frozen

T = TypeVar("T")


@frozen
class _End:
    error: BaseException | None


async def _pump(items: AsyncIterator[T], queue: "asyncio.Queue[T | _End]") -> None:
    try:
        async for item in items:
            queue.put_nowait(item)
    except BaseException as error:
        queue.put_nowait(_End(error))
        if isinstance(error, asyncio.CancelledError):
            raise
    else:
        queue.put_nowait(_End(None))


def _every(_item: object) -> bool:
    return True


async def paced(
    items: AsyncIterator[T], *, interval: Callable[[], float], shown: Callable[[T], bool] = _every
) -> AsyncGenerator[list[T]]:
    """Batches of what arrived: the first at once, then at most one every `interval()` seconds, none empty.

    Batches in which nothing is `shown` do not count: what is shown first does not wait for them.
    Never holds an item back longer than that, also when the source falls silent. An error of the source is
    raised after everything that came before it. Closing the iterator stops reading the source.
    """
    queue: asyncio.Queue[T | _End] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    pumping = asyncio.create_task(_pump(items, queue))
    last = float("-inf")
    try:
        while True:
            arrived = [await queue.get()]
            wait = last + interval() - loop.time()
            if wait > 0 and not isinstance(arrived[0], _End):
                await asyncio.sleep(wait)
            while not queue.empty():
                arrived.append(queue.get_nowait())
            batch = [item for item in arrived if not isinstance(item, _End)]
            if any(map(shown, batch)):
                last = loop.time()
            if batch:
                yield batch
            end = arrived[-1]
            if isinstance(end, _End):
                if end.error is not None:
                    raise end.error
                return
    finally:
        pumping.cancel()
        await asyncio.gather(pumping, return_exceptions=True)

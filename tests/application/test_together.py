"""Questions that many ask at the same moment."""

import asyncio
from collections.abc import Sequence

from application.together import Together


async def test_what_comes_meanwhile_is_asked_next() -> None:
    """All at once, each once; an answer is never older than its question, and what has none is None."""
    asked: list[list[int]] = []
    gate = asyncio.Event()

    async def ask(keys: Sequence[int]) -> dict[int, int]:
        asked.append(list(keys))
        turn = len(asked)
        await gate.wait()
        return {key: turn for key in keys if key}

    together = Together(ask, most=3)
    first = asyncio.ensure_future(together(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [asyncio.ensure_future(together(key)) for key in (1, 2, 2, 0, 4)]
    await asyncio.sleep(0)
    rest[1].cancel()
    gate.set()

    assert await first == 1
    assert await asyncio.gather(*rest[:1], *rest[2:]) == [2, 2, None, 3]
    assert asked == [[1], [1, 2, 0], [4]]


async def test_a_failure_is_everybodys() -> None:
    """Of those who waited for that answer; the next question is asked anew."""
    is_down = True

    async def ask(keys: Sequence[int]) -> dict[int, str]:
        if is_down:
            raise ConnectionError
        return dict.fromkeys(keys, "yes")

    together = Together(ask)
    failures = await asyncio.gather(together(1), together(2), return_exceptions=True)
    is_down = False

    assert [type(failure) for failure in failures] == [ConnectionError, ConnectionError]
    assert await together(1) == "yes"

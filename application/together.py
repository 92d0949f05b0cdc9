"""Questions that many ask at the same moment, asked once."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from attrs import define, field

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@define(eq=False)
class Together(Generic[K, V]):
    """What is asked while an answer is awaited is asked next, all at once; nothing is remembered.

    When a process dies all its clients come to another one: a thousand questions become a few.
    """

    ask: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]
    most: int = 500
    _waiting: dict[K, asyncio.Future[V | None]] = field(factory=dict)
    _asking: asyncio.Task[None] | None = None

    async def __call__(self, key: K) -> V | None:
        """The answer, None where there is none; it is never older than the question. What `ask` raises is raised."""
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
            if self._asking is None:
                self._asking = asyncio.create_task(self._run())
        return await asyncio.shield(answer)

    async def _run(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[: self.most]
                waiting = {key: self._waiting.pop(key) for key in keys}
                try:
                    answers = await self.ask(keys)
                except Exception as error:  # noqa: BLE001 whoever waits is told
                    for answer in waiting.values():
                        answer.set_exception(error)
                        answer.exception()  # who asked may be gone
                else:
                    for key, answer in waiting.items():
                        answer.set_result(answers.get(key))
        finally:
            self._asking = None

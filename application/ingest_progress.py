"""How far an ingest has come, written down once in a while, and whether it is still wanted."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

from attrs import define

from application.errors import Unavailable
from domain.documents import Stage

EVERY: Final = 1.0  # seconds between two looks: a small file is done before the first

# Share of the whole at which each stage begins; embedding is nearly all of the time.
STARTS_AT: Final = {Stage.PARSING: 0.0, Stage.CHUNKING: 0.15, Stage.EMBEDDING: 0.2, Stage.INDEXING: 0.97}

T = TypeVar("T")


class Superseded(Exception):
    """The document was deleted, or a younger revision came."""


@define
class Progress:
    """The work says where it is, which costs nothing; `watched` tells the database once a second.

    `report(stage, progress)` answers whether the revision is still to be worked on.
    """

    report: Callable[[Stage, float], Awaitable[bool]]
    every: float = EVERY
    stage: Stage = Stage.PARSING
    share: float = 0.0

    def at(self, stage: Stage, share: float = 0.0) -> None:
        """`share` (0..1) of this stage is done."""
        self.stage, self.share = stage, share

    @property
    def whole(self) -> float:
        """0..1 over all stages."""
        later = [start for start in STARTS_AT.values() if start > STARTS_AT[self.stage]]
        return STARTS_AT[self.stage] + self.share * (min(later, default=1.0) - STARTS_AT[self.stage])

    async def watched(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it and report meanwhile; it is cancelled, and `Superseded` raised, when nobody wants it any more.

        A database that is away for a moment does not end the work.
        """
        task = asyncio.ensure_future(work)
        try:
            while True:
                done, _ = await asyncio.wait({task}, timeout=self.every)
                if done:
                    return task.result()
                with suppress(Unavailable):
                    if not await self.report(self.stage, self.whole):
                        raise Superseded
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

"""Which index is asked: the database decides, every process follows within a moment."""

import asyncio
from typing import Final

from attrs import define, field

from application.errors import VectorsUnavailable
from application.ports.generations import Index, Indexes
from application.ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.generations import Generation, GenerationState

FRESH: Final = 1.0  # seconds for which what was read is believed; a retired index stays much longer


class IndexChanged(Exception):
    """Another generation went live while something was done on the one before: do it again."""


@define
class Generations:
    """The indexes that there are.

    A search takes `live()` once, and embeds its question and asks for its passages by that one alone.
    """

    begin: UnitOfWorkFactory
    indexes: Indexes
    fresh: float = FRESH
    _live: Index | None = field(default=None, init=False)
    _read_at: float = field(default=0.0, init=False)

    async def live(self) -> Index:
        """The one that searches ask, as it was a moment ago at most."""
        now = asyncio.get_running_loop().time()
        if self._live is None or not 0 <= now - self._read_at < self.fresh:
            return await self.live_now()
        return self._live

    async def live_now(self) -> Index:
        """The one that searches ask, as it stands in the database. `VectorsUnavailable` before the first is made."""
        found = live_of(await self.records())
        self._live = index = self.indexes.open(found)
        self._read_at = asyncio.get_running_loop().time()
        return index

    async def all(self) -> list[Index]:
        """Every one that may hold something of a document, as they stand in the database."""
        return [
            self.indexes.open(record) for record in await self.records() if record.state is not GenerationState.REMOVED
        ]

    async def records(self) -> list[Generation]:
        """Their records, by number."""
        async with self.begin(None) as work:
            return await work.generations.all()


def live_of(records: list[Generation]) -> Generation:
    """The live one of these; `VectorsUnavailable` where there is none."""
    live = in_state(records, GenerationState.LIVE)
    if live is None:
        raise VectorsUnavailable("No index has been made yet. A server or worker makes it when it starts.")
    return live


def in_state(records: list[Generation], state: GenerationState) -> Generation | None:
    """The one that stands so: at most one is live, and at most one is being built."""
    return next((record for record in records if record.state is state), None)


async def require_live(work: UnitOfWork, index: Index) -> None:
    """Hold the switch until the transaction ends; `IndexChanged` when the index is no longer the live one."""
    await work.generations.hold()
    if live_of(await work.generations.all()).number != index.generation.number:
        raise IndexChanged

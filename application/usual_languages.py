"""The language that documents are usually in: that of a question too short to tell its own."""

import time
from collections.abc import Callable
from typing import Final

from attrs import define, field

from application.ports.unit_of_work import UnitOfWorkFactory
from domain.ids import CollectionId, WorkspaceId

SAMPLE: Final = 1000  # youngest documents that are looked at
MOST: Final = 2 / 3  # of them, from which a language is the usual one
MAX_AGE: Final = 300.0  # seconds for which it is remembered
MAX_ENTRIES: Final = 10_000

_Key = tuple[WorkspaceId, frozenset[CollectionId]]


@define(eq=False)
class UsualLanguages:
    """What most documents of some collections are in, remembered for five minutes by each process."""

    begin: UnitOfWorkFactory
    now: Callable[[], float] = time.monotonic
    _known: dict[_Key, tuple[str | None, float]] = field(factory=dict, init=False)

    async def __call__(self, workspace_id: WorkspaceId, collections: frozenset[CollectionId]) -> str | None:
        """ISO 639-1; None where no language has two thirds, or nothing is there. Raises what the database raises."""
        key, begun = (workspace_id, collections), self.now()
        known = self._known.get(key)
        if known is not None and begun < known[1]:
            return known[0]
        async with self.begin(workspace_id) as work:
            counts = await work.documents.languages(workspace_id, collections, limit=SAMPLE)
        language = max(counts, key=lambda each: counts[each], default=None)
        if language is not None and counts[language] < MOST * sum(counts.values()):
            language = None
        if len(self._known) >= MAX_ENTRIES:
            self._known.clear()
        self._known[key] = language, begun + MAX_AGE
        return language

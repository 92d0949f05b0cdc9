"""The language that documents are usually in: that of a question which does not tell its own."""

import hashlib
import time
from collections.abc import Callable
from typing import Final

from attrs import define, field

from application.ports.unit_of_work import UnitOfWorkFactory
from domain.ids import CollectionId, WorkspaceId
from domain.languages import usual_language

SAMPLE: Final = 1000  # youngest documents that are looked at
MAX_AGE: Final = 300.0  # seconds for which it is remembered
MAX_ENTRIES: Final = 1_000  # of which the oldest go first


@define(eq=False)
class UsualLanguages:
    """What nearly all documents of some collections are in, remembered for five minutes by each process."""

    begin: UnitOfWorkFactory
    now: Callable[[], float] = time.monotonic
    _known: dict[bytes, tuple[str | None, float]] = field(factory=dict, init=False)

    async def __call__(self, workspace_id: WorkspaceId, collections: frozenset[CollectionId]) -> str | None:
        """ISO 639-1; None where no language has nine tenths, or nothing is there. Raises what the database raises."""
        key, begun = _key(workspace_id, collections), self.now()
        known = self._known.get(key)
        if known is not None and begun < known[1]:
            return known[0]
        async with self.begin(workspace_id) as work:
            counts = await work.documents.languages(workspace_id, collections, limit=SAMPLE)
        usual = usual_language(counts)
        if counts:  # what is empty may be filled at any moment
            self._known.pop(key, None)
            if len(self._known) >= MAX_ENTRIES:
                del self._known[next(iter(self._known))]
            self._known[key] = usual, begun + MAX_AGE
        return usual


def _key(workspace_id: WorkspaceId, collections: frozenset[CollectionId]) -> bytes:
    """Short, however many collections there are."""
    asked = b"".join(sorted(collection.bytes for collection in collections))
    return hashlib.blake2b(workspace_id.bytes + asked, digest_size=16).digest()

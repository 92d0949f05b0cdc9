"""News of documents within one process."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field

from domain.ids import DocumentId


@define
class MemoryNews:
    """Remembers what was told."""

    told: list[DocumentId] = field(factory=list)
    _listening: defaultdict[DocumentId, set[asyncio.Event]] = field(factory=lambda: defaultdict(set))

    async def tell(self, document_id: DocumentId) -> None:
        self.told.append(document_id)
        for event in self._listening[document_id]:
            event.set()

    @contextmanager
    def listen(self, document_id: DocumentId) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self._listening[document_id].add(event)
        try:
            yield event
        finally:
            self._listening[document_id].discard(event)

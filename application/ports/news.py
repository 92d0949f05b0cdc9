"""Word that a document changed, from whoever works on it to whoever watches."""

import asyncio
from contextlib import AbstractContextManager
from typing import Protocol

from domain.ids import DocumentId


class DocumentNews(Protocol):
    """Delivered at most once, and never needed: who watches looks for itself from time to time as well."""

    async def tell(self, document_id: DocumentId) -> None:
        """Wake those who listen, in all processes. Nothing happens when the engine is down."""
        ...

    def listen(self, document_id: DocumentId) -> AbstractContextManager[asyncio.Event]:
        """An event that is set at each news while the context lasts; the listener clears it."""
        ...

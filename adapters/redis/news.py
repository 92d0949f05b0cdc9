"""News of documents over Redis' channels."""

import asyncio
from contextlib import AbstractContextManager

import structlog

from adapters.redis.client import RedisClient, redis_errors
from adapters.redis.wakeups import Wakeups
from application.errors import CacheUnavailable
from application.ports.news import DocumentNews
from domain.ids import DocumentId

log = structlog.get_logger(__name__)


class RedisNews(DocumentNews):
    """A channel for each document; all listeners of this process share one subscription. `aclose()` ends it."""

    def __init__(self, client: RedisClient, *, namespace: str = "document:") -> None:
        self._client = client
        self._namespace = namespace
        self._wakeups = Wakeups(client)

    async def tell(self, document_id: DocumentId) -> None:
        """Wake those who listen."""
        try:
            with redis_errors():
                await self._client.publish(self._channel(document_id), b"")
        except CacheUnavailable as error:
            log.info("news_lost", reason=error.message)

    def listen(self, document_id: DocumentId) -> AbstractContextManager[asyncio.Event]:
        """An event that is set at each news."""
        return self._wakeups.listen(self._channel(document_id))

    async def aclose(self) -> None:
        """End the subscription."""
        await self._wakeups.aclose()

    def _channel(self, document_id: DocumentId) -> str:
        return f"{self._namespace}{document_id}"

"""Embeddings that were made before are not made again."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import numpy as np

from adapters.embedding.model import Kind
from application.errors import EmbedderUnavailable
from application.ports.cache import Cache
from application.ports.embedding import Embedder, Vector

QUERY_TTL: Final = timedelta(hours=1)
PASSAGE_TTL: Final = timedelta(hours=24)


class CachedEmbedder(Embedder):
    """Keeps vectors in the cache by model, kind and SHA-256 of the text, as float32; the text is not in the key.

    So a repeated or resumed ingest does not pay twice. A cache that is down or holds garbage costs time only.
    """

    def __init__(
        self,
        embedder: Embedder,
        cache: Cache,
        *,
        query_ttl: timedelta = QUERY_TTL,
        passage_ttl: timedelta = PASSAGE_TTL,
    ) -> None:
        self._embedder = embedder
        self._cache = cache
        self._ttl: dict[Kind, timedelta] = {"query": query_ttl, "passage": passage_ttl}
        self._saving: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        """Length of every vector."""
        return self._embedder.dimensions

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """One vector a text; a text that occurs twice is embedded once."""
        keys = [self._key("passage", text) for text in texts]
        asked = list(dict.fromkeys(keys))
        found = zip(asked, await self._cache.get_many(asked), strict=True)
        known = {key: vector for key, value in found if (vector := self._decoded(value)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            vectors = await self._embedder.embed_passages(list(missing.values()))
            known |= dict(zip(missing, vectors, strict=True))
            await self._cache.set_many({key: _encoded(known[key]) for key in missing}, ttl=self._ttl["passage"])
        return [known[key] for key in keys]

    async def embed_query(self, text: str) -> Vector:
        """The vector of a question. It is kept while the caller goes on: somebody waits for what is found with it."""
        key = self._key("query", text)
        known = self._decoded(await self._cache.get(key))
        if known is not None:
            return known
        vector = await self._embedder.embed_query(text)
        saving = asyncio.create_task(self._cache.set(key, _encoded(vector), ttl=self._ttl["query"]))
        self._saving.add(saving)
        saving.add_done_callback(self._saving.discard)
        return vector

    async def forget(self, texts: Sequence[str]) -> None:
        """Drop what is kept of these passages."""
        if texts:
            await self._cache.delete(*(self._key("passage", text) for text in dict.fromkeys(texts)))

    async def ping(self) -> None:
        """Ask the embedder itself."""
        await self._embedder.ping()

    def _key(self, kind: Kind, text: str) -> str:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
        return f"embedding:{self._embedder.name}:{kind}:{digest}"

    def _decoded(self, value: bytes | None) -> Vector | None:
        try:
            if value is None or len(value) != 4 * self._embedder.dimensions:
                return None
        except EmbedderUnavailable:  # not known before the first answer, so that nothing can be checked yet
            return None
        vector: list[float] = np.frombuffer(value, "<f4").tolist()
        return vector


def _encoded(vector: Vector) -> bytes:
    return np.asarray(vector, "<f4").tobytes()
